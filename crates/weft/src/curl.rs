//! `weft curl --from WORKLOAD URL`: a request as that workload would make it, through its sidecar.

mod hint;
mod refused;
mod request;
mod spelling;
mod tls;

use crate::client::{self, ClientError};
use crate::find;
use crate::logs::Told;
use crate::output::{self, Output};
use crate::run_directory::Running;
use crate::up::named;
use crate::up::plan::{HTTP_PROXY_PORT, Plan, Pod};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use refused::Refused;
use request::Target;
use serde_json::json;
use spelling::{Received, Spelled};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `weft curl`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
    weft curl --from web http://cart/items
    weft curl --from web -X POST http://cart/items -H 'content-type: application/json' -d '{\"id\": 7}'
    weft curl --from cart http://db-0.db.shop:8080/ -i

An answer of 400 or more is told on standard error with its status and, as far as the sidecars know, whose doing it was; -s \
keeps that back. So that they know, the request has an x-request-id, as the sidecar would give it one.

Exit status, as curl's: 0 for any response (with -f below 400); 3 a bad URL; 7 no connection; 22 with -f, a status of \
400 or more; 28 too late; 35 no TLS; 52 no answer; 56 no way through the \
sidecar to an https URL's host. 1 if there is no such workload, or no mesh.")]
pub(crate) struct Args {
    /// Who asks: a Deployment, a Service (any of its pods) or one pod.
    #[arg(long, value_name = "WORKLOAD")]
    from: String,
    /// What is asked for, such as http://cart/items
    url: String,
    /// The method; GET, or POST with -d.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header, `Name: value`; `Name:` leaves one out that would be sent.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body; @FILE reads a file, @- standard input. Several are joined by `&`.
    #[arg(short = 'd', long = "data", value_name = "DATA")]
    data: Vec<String>,
    /// As -d, and @ has no meaning.
    #[arg(long, value_name = "DATA")]
    data_raw: Vec<String>,
    /// Ask for the head alone.
    #[arg(short = 'I', long)]
    head: bool,
    /// Show the response's head before its body.
    #[arg(short = 'i', long)]
    include: bool,
    /// Show both heads, on standard error.
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Believe any certificate of an https URL's host.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Say nothing of what went wrong, on standard error; the exit status tells.
    #[arg(short = 's', long)]
    silent: bool,
    /// With -s: say what went wrong all the same.
    #[arg(short = 'S', long)]
    show_error: bool,
    /// End with status 22 where the response's status is 400 or more, without its body.
    #[arg(short = 'f', long)]
    fail: bool,
    /// Write the body to a file.
    #[arg(short = 'o', long = "output-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write this after the body; %{http_code}, %{time_total}, %{size_download}, \n.
    #[arg(short = 'w', long, value_name = "FORMAT")]
    write_out: Option<String>,
    /// Give up after so many seconds.
    #[arg(short = 'm', long, value_name = "SECONDS")]
    max_time: Option<f64>,
    /// text: as curl does; json: response and body as one object.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// curl's own statuses, for what scripts tell apart.
const BAD_URL: u8 = 3;
const NO_CONNECTION: u8 = 7;
const HTTP_ERROR: u8 = 22;
const LATE: u8 = 28;
const NO_TLS: u8 = 35;
const NO_ANSWER: u8 = 52;
const NO_TUNNEL: u8 = 56;

/// A failure with the status that tells it.
#[derive(Debug)]
struct Failed(u8, String);

impl Args {
    /// Whether standard error is told what went wrong.
    const fn speaks(&self) -> bool {
        !self.silent || self.show_error
    }
}

/// Makes the request.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    let pod = find::one(&running.plan, &args.from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = args.max_time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let told = Told::from_now(&running);
    let asked = async {
        let refused = match limit {
            None => ask(args, &running.plan, pod).await,
            Some(limit) => tokio::time::timeout(limit, ask(args, &running.plan, pod))
                .await
                .unwrap_or_else(|_| Err(Failed(LATE, format!("no answer within {} s", limit.as_secs_f32())))),
        }?;
        match refused {
            None => Ok(()),
            Some(refused) => refused.tell(args, pod, told).await,
        }
    };
    Ok(match runtime.block_on(asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(code, reason)) => {
            if args.speaks() {
                crate::say::say!("weft curl: ({code}) {reason}");
            }
            ExitCode::from(code)
        }
    })
}

/// Asks, and shows the answer; says of one of 400 or more what there is to tell.
async fn ask(args: &Args, plan: &Plan, pod: &Pod) -> Result<Option<Refused>, Failed> {
    let target = Target::parse(&args.url).map_err(|reason| Failed(BAD_URL, reason))?;
    let proxied = pod.is_bound();
    let mut request = request::build(args, &target, proxied).map_err(|reason| Failed(BAD_URL, reason))?;
    let id = if pod.sidecar && !target.tls { request::name(args, &mut request) } else { None };
    let started = Instant::now();
    if args.verbose {
        crate::say::say!("* as {}/{} ({})", pod.namespace, pod.name, pod.service_account);
        crate::say::say!("> {} {} HTTP/1.1", request.method(), request.uri());
        request.headers().iter().for_each(|(name, value)| show(">", name.as_str(), value.as_bytes()));
    }
    let in_clear = hint::of_no_tls(plan, pod, &target.host);
    let mut received = Received::default();
    let response = match (proxied, target.tls) {
        (false, tls) if pod.netns.is_some() => {
            let stream = client::connect(&inside(plan, pod, &target)?).await.map_err(failed)?;
            if tls {
                tls::send(stream, &target, args.insecure, in_clear, request).await?
            } else {
                let (stream, head) = Spelled::new(stream, request::typed_names(args));
                received = head;
                client::send_on(stream, &target.authority(), request).await.map_err(failed)?
            }
        }
        (true, false) => {
            let to = proxy(pod);
            let stream = client::connect(&to).await.map_err(failed)?;
            let (stream, head) = Spelled::new(stream, request::typed_names(args));
            received = head;
            client::send_on(stream, &to, request).await.map_err(failed)?
        }
        (true, true) => {
            let id = request::new_name();
            let stream = match client::tunnel(&proxy(pod), &target.authority(), Some(&id)).await {
                Err(error @ ClientError::Tunnel { .. }) => {
                    let hint = hint::of(plan, pod, &target.host, Some(StatusCode::BAD_GATEWAY));
                    if let Some(hint) = hint.filter(|_| args.speaks()) {
                        crate::say::say!("weft curl: {hint}");
                    }
                    return Ok(Some(Refused::tunnel(&error, id)));
                }
                tunnel => tunnel.map_err(failed)?,
            };
            tls::send(hyper_util::rt::TokioIo::new(stream), &target, args.insecure, in_clear, request).await?
        }
        (false, _) if !target.is_address() => {
            return Err(Failed(
                BAD_URL,
                format!(
                    "{}/{} has no sidecar, so nobody knows names there: give an address (`weft status --output json` has the pods')",
                    pod.namespace, pod.name
                ),
            ));
        }
        (false, false) => client::send(&target.authority(), request).await.map_err(failed)?,
        (false, true) => {
            let stream = client::connect(&target.authority()).await.map_err(failed)?;
            tls::send(stream, &target, args.insecure, in_clear, request).await?
        }
    };
    let hint = hint::of(plan, pod, &target.host, Some(response.status()));
    if let Some(hint) = hint.filter(|_| args.speaks()) {
        crate::say::say!("weft curl: {hint}");
    }
    answer(args, pod, response, &received, started, id).await
}

/// Where the pod itself would connect to: from inside its network, to what the name means there.
fn inside(plan: &Plan, pod: &Pod, target: &Target) -> Result<String, Failed> {
    let host = target.host.trim_matches(['[', ']']);
    let named = || named::resolve(&plan.named, host, &pod.namespace);
    let ip = host.parse().ok().or_else(named);
    let ip = ip.ok_or_else(|| {
        let hint = hint::of(plan, pod, host, None).map(|hint| format!("; {hint}")).unwrap_or_default();
        Failed(6, format!("{host:?} is no name in {}/{}{hint}", pod.namespace, pod.name))
    })?;
    let address = std::net::SocketAddr::new(ip, target.port.unwrap_or(if target.tls { 443 } else { 80 }));
    let netns = pod.netns.as_deref().unwrap_or_default();
    Ok(format!("{netns}@{address}"))
}

fn proxy(pod: &Pod) -> String {
    pod.within(pod.localhost, HTTP_PROXY_PORT)
}

fn failed(error: ClientError) -> Failed {
    let code = match &error {
        ClientError::Connect { .. } => NO_CONNECTION,
        ClientError::Address(_) => BAD_URL,
        ClientError::Late(_) => LATE,
        ClientError::Tunnel { .. } => NO_TUNNEL,
        ClientError::Http { .. } | ClientError::Body { .. } => NO_ANSWER,
    };
    let hint = match &error {
        ClientError::Connect { .. } => "; is its sidecar running? see `weft status`",
        _ => "",
    };
    Failed(code, format!("{error}{hint}"))
}

async fn answer(
    args: &Args,
    pod: &Pod,
    response: Response<Incoming>,
    received: &Received,
    started: Instant,
    id: Option<String>,
) -> Result<Option<Refused>, Failed> {
    let (head, body) = response.into_parts();
    let headers = received.headers().unwrap_or_else(|| {
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    });
    let broke = |error: &dyn std::fmt::Display| Failed(18, format!("the body broke off: {error}"));
    let wrote = |error: std::io::Error| Failed(23, format!("cannot write: {error}"));
    if args.verbose {
        crate::say::say!("< {:?} {}", head.version, status(&head));
        headers.iter().for_each(|(name, value)| show("<", name, value));
    }
    let fails = args.fail && head.status.as_u16() >= 400;
    let mut body = body;
    let (mut length, mut open_line) = (0_usize, false);
    if args.output == Output::Json {
        let body = body.collect().await.map_err(|error| broke(&error))?;
        let (trailers, text) = (body.trailers().cloned().unwrap_or_default(), body.to_bytes());
        length = text.len();
        let value = json!({
            "from": { "namespace": pod.namespace, "pod": pod.name },
            "status": head.status.as_u16(),
            "version": format!("{:?}", head.version),
            "headers": headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect::<Vec<_>>(),
            "body": serde_json::from_slice::<serde_json::Value>(&text)
                .unwrap_or_else(|_| String::from_utf8_lossy(&text).into()),
            "trailers": pairs(&trailers),
            "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        output::print_json(&value).map_err(|error| Failed(23, error.to_string()))?;
    } else {
        let mut out: Box<dyn Write> = match &args.file {
            Some(path) => Box::new(std::fs::File::create(path).map_err(wrote)?),
            None => Box::new(std::io::stdout()),
        };
        if args.include || args.head {
            write_head(&mut out, &head, &headers).map_err(wrote)?;
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broke(&error))?;
            if let Ok(data) = frame.into_data()
                && !fails
            {
                length += Bytes::len(&data);
                open_line = args.file.is_none() && data.last().map_or(open_line, |last| *last != b'\n');
                out.write_all(&data).and_then(|()| out.flush()).map_err(wrote)?;
            }
        }
    }
    if let Some(format) = &args.write_out {
        let seconds = format!("{:.6}", started.elapsed().as_secs_f64());
        let text = format
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace("%{http_code}", head.status.as_str())
            .replace("%{response_code}", head.status.as_str())
            .replace("%{time_total}", &seconds)
            .replace("%{size_download}", &length.to_string());
        std::io::stdout().write_all(text.as_bytes()).map_err(wrote)?;
    }
    Ok((head.status.as_u16() >= 400).then(|| Refused {
        status: status(&head),
        id,
        open_line,
        is_tunnel: false,
    }))
}

fn write_head(
    out: &mut dyn Write,
    head: &http::response::Parts,
    headers: &[(String, Vec<u8>)],
) -> std::io::Result<()> {
    write!(out, "{:?} {}\r\n", head.version, status(head))?;
    for (name, value) in headers {
        write!(out, "{name}: ")?;
        out.write_all(value)?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"\r\n")
}

/// The status with the reason that came; http's own where that is the usual one.
fn status(head: &http::response::Parts) -> String {
    match head.extensions.get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => {
            format!("{} {}", head.status.as_str(), String::from_utf8_lossy(reason.as_bytes()).trim())
        }
        None => head.status.to_string(),
    }
}

fn show(mark: &str, name: &str, value: &[u8]) {
    crate::say::say!("{mark} {name}: {}", String::from_utf8_lossy(value));
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let lossy = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), lossy(value))).collect()
}
