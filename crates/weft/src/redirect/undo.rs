//! What was in force before rules were written, to go back to.

use super::apply::{BackEnd, clean, own_tables, read, save, tool};
use super::iptables::Saved;
use super::programs::{Failed, ask};
use super::routes::Way;
use super::rules::Family;
use super::settings::{Mode, Settings};
use super::{nft, routes};

/// What was before, to go back to.
pub(crate) struct Undo {
    back_end: BackEnd,
    families: Vec<Family>,
    settings: Settings,
    /// Of each iptables that gets rules of ours or had some, and of each family, what `iptables-save` told.
    before: Vec<(String, Family, String)>,
    /// Our tables, as nft told.
    tables: String,
    /// TPROXY's ways that were there.
    ways: Vec<Way>,
}

impl Undo {
    /// What is there before the first rule is written.
    pub(super) fn before(
        back_end: BackEnd,
        families: Vec<Family>,
        settings: &Settings,
    ) -> Result<Self, Failed> {
        let mut before = Vec::new();
        if let BackEnd::Iptables { name } = &back_end {
            for family in &families {
                before.push((name.clone(), *family, save(name, *family)?));
            }
        }
        let tables = own_tables();
        let told = before.iter().flat_map(|(.., text)| Saved::read(text).marks().collect::<Vec<_>>());
        let ways = routes::ways(settings, &told.chain(nft::marks(&tables)).collect());
        Ok(Self { back_end, families, settings: settings.clone(), before, tables, ways })
    }

    /// Takes in what other back ends had.
    pub(super) fn others(&mut self, cleaned: Vec<(String, Family, String)>) {
        self.before.extend(cleaned);
    }

    /// Who wrote the rules.
    pub(crate) const fn back_end(&self) -> &BackEnd {
        &self.back_end
    }

    /// Of which families rules are written.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// TPROXY's ways that were there before.
    pub(super) fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// What `iptables-save` told of a family before; nothing of nft's.
    pub(super) fn told(&self, family: Family) -> &str {
        self.before.iter().find(|(_, of, _)| *of == family).map_or("", |(.., text)| text)
    }

    /// Rules and chains of others where ours are.
    pub(crate) fn foreign(&self) -> Vec<String> {
        let told = self.before.iter();
        let of_iptables = told.flat_map(|(_, family, text)| read(text, *family, &self.settings).foreign());
        let tables = ask("nft", &["list", "ruleset"], "").unwrap_or_default();
        of_iptables.chain(nft::foreign(&tables, self.back_end != BackEnd::Nft)).collect()
    }

    /// Everything as it was before. What can be put back is, whatever else fails; the first that fails is told.
    pub(crate) fn undo(self) -> Result<(), Failed> {
        let mut outcome = Ok(());
        let mut and = |done: Result<(), Failed>| {
            if outcome.is_ok() {
                outcome = done;
            }
        };
        // Where nothing was written, nobody's connections go around the proxy for a moment either.
        let unchanged = |name: &str, family: Family, text: &str| {
            save(name, family).is_ok_and(|now| Saved::read(&now) == Saved::read(text))
        };
        let changed: Vec<_> =
            self.before.iter().filter(|(name, of, text)| !unchanged(name, *of, text)).collect();
        for (name, family, _) in &changed {
            and(clean(name, *family, &self.settings).map(|_| ()));
        }
        if self.back_end == BackEnd::Nft || !self.tables.is_empty() {
            let script = nft::cleanup(&self.families) + &self.tables;
            and(ask("nft", &["-f", "-"], &script).map(|_| ()));
        }
        for (name, family, text) in changed {
            if Saved::read(text).has_own() {
                and(ask(&tool(name, *family, "-restore"), &["--wait=10"], text).map(|_| ()));
            }
        }
        routes::remove(&self.settings, &self.ways);
        if self.has_own() {
            let inside = Settings { mode: Mode::Redirect, ..self.settings.clone() };
            and(routes::apply(&inside, &self.families, &[]));
            and(routes::put(&self.ways));
        }
        outcome
    }

    /// Whether rules of ours were there before.
    fn has_own(&self) -> bool {
        !self.tables.is_empty() || self.before.iter().any(|(.., text)| Saved::read(text).has_own())
    }
}
