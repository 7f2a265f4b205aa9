//! `weft certs`: who each pod is proven to be, and for how much longer.

use crate::admin;
use crate::find;
use crate::output::{self, Output, span};
use crate::run_directory::Running;
use anyhow::Context;
use serde_json::{Value, json};
use std::process::ExitCode;

/// `weft certs`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
    weft certs                    every pod's identity
    weft certs --root > root.pem  what all of them are verified with

Exit status: 0 if every pod has a certificate; 1 if one has none, or no mesh runs.")]
pub(crate) struct Args {
    /// A Deployment, a Service or one pod; all of them where none is named.
    workload: Option<String>,
    /// Print the root certificate itself, as PEM.
    #[arg(long)]
    root: bool,
    /// text: a table; json: all that is known.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows the certificates of the running mesh; fails where a sidecar has none.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    let root = running.path.join("root-cert.pem");
    let root = std::fs::read_to_string(&root).with_context(|| root.display().to_string())?;
    if args.root {
        output::print(root.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let pods = match &args.workload {
        Some(name) => find::pods(&running.plan, name)?,
        None => admin::all(&running.plan),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sidecars = runtime.block_on(admin::sidecars(&pods));
    let mut table = output::table(["POD", "IDENTITY", "SERIAL", "REMAINING"]);
    let mut values: Vec<Value> = Vec::new();
    let mut all = true;
    for (pod, sidecar) in &sidecars {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let certificate = sidecar.as_ref().ok().and_then(|sidecar| sidecar.certificate.as_ref());
        all &= certificate.is_some();
        let error = sidecar.as_ref().err();
        values.push(json!({
            "namespace": pod.namespace, "pod": pod.name, "certificate": certificate, "error": error,
        }));
        match certificate {
            Some(certificate) => {
                let remaining = span(certificate.remaining_seconds);
                table.add_row([name, certificate.uri.clone(), certificate.serial.clone(), remaining]);
            }
            None => {
                let why = error.cloned().unwrap_or_else(|| "it has no certificate yet".to_owned());
                table.add_row([name, format!("none: {why}"), String::new(), String::new()]);
            }
        }
    }
    match args.output {
        Output::Json => output::print_json(&json!({ "root": root, "certificates": values }))?,
        Output::Text => output::print(&table.to_string())?,
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
