//! Telemetry.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::telemetry::{ProviderRef, TagOperation, Telemetry};

/// Checks a Telemetry.
pub(in crate::read) fn check(telemetry: &Telemetry, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::policy_target::check(
        telemetry.selector.as_ref(),
        telemetry.target_ref.as_ref(),
        &telemetry.target_refs,
        &spec,
        into,
    );
    for (index, tracing) in telemetry.tracing.iter().enumerate() {
        let list = spec.key("tracing");
        let at = list.index(index);
        providers(&tracing.providers, &at, into);
        if tracing.providers.len() > 1 {
            into.error(&at.key("providers"), "traces go to one provider");
        }
        if let Some(percent) = tracing.random_sampling_percentage {
            super::share::percent(percent, &at.key("randomSamplingPercentage"), into);
        }
        for (name, tag) in &tracing.custom_tags {
            let kinds = [
                tag.literal.is_some(),
                tag.environment.is_some(),
                tag.header.is_some(),
                tag.formatter.is_some(),
            ];
            if kinds.iter().filter(|kind| **kind).count() != 1 {
                into.error(
                    &at.key("customTags").key(name),
                    "exactly one of literal, environment, header and formatter is needed",
                );
            }
        }
    }
    for (index, metrics) in telemetry.metrics.iter().enumerate() {
        let list = spec.key("metrics");
        let at = list.index(index);
        providers(&metrics.providers, &at, into);
        for (index, change) in metrics.overrides.iter().enumerate() {
            for (name, tag) in &change.tag_overrides {
                if tag.operation == TagOperation::Upsert && tag.value.is_empty() {
                    let list = at.key("overrides");
                    into.error(&list.index(index).key("tagOverrides").key(name), "UPSERT needs a value");
                }
            }
        }
    }
    for (index, logging) in telemetry.access_logging.iter().enumerate() {
        let list = spec.key("accessLogging");
        let at = list.index(index);
        providers(&logging.providers, &at, into);
        if logging.filter.as_ref().is_some_and(|filter| filter.expression.is_empty()) {
            into.error(&at.key("filter"), "`expression` is missing");
        }
    }
}

fn providers(providers: &[ProviderRef], at: &Path<'_>, into: &mut Findings) {
    for (index, provider) in providers.iter().enumerate() {
        if provider.name.is_empty() {
            into.error(&at.key("providers").index(index), "`name` is missing");
        }
    }
}
