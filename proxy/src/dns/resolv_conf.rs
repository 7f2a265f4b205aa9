//! The system's resolvers, as `resolv.conf(5)` names them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 53;

/// What the file says, as far as whoever forwards is concerned: `ndots` and the like are for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// The servers, in order.
    pub servers: Vec<SocketAddr>,
    /// The domains that are tried behind a short name, in order.
    pub search: Vec<String>,
    /// The domains that end here: who is missing in them is missing everywhere, and no server is asked. No file says so.
    pub own: Vec<String>,
    /// How long one server has for one answer (`options timeout:`). Unless it is said, less than the five seconds after
    /// which those who ask give up: another server must have its turn before.
    pub timeout: Duration,
    /// How often each server is asked (`options attempts:`).
    pub attempts: u32,
    /// The servers take turns (`options rotate`).
    pub rotate: bool,
}

impl ResolvConf {
    /// Reads the text of such a file. What cannot be understood is passed over, as the C library does; where no server is
    /// named, it is localhost that is asked.
    pub fn parse(text: &str) -> Self {
        let mut read = Self::read(text);
        if read.servers.is_empty() {
            read.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        read
    }

    /// The same, if the file names a server.
    pub fn with_servers(text: &str) -> Option<Self> {
        Some(Self::read(text)).filter(|read| !read.servers.is_empty())
    }

    fn read(text: &str) -> Self {
        let mut read = Self {
            servers: Vec::new(),
            search: Vec::new(),
            own: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 2,
            rotate: false,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => read.servers.extend(words.next().and_then(server)),
                // Of several the last one counts.
                Some("search" | "domain") => {
                    read.search = words.map(|word| word.trim_end_matches('.').to_ascii_lowercase()).collect();
                    read.search.retain(|word| !word.is_empty());
                }
                Some("options") => words.for_each(|word| read.option(word)),
                _ => {}
            }
        }
        read
    }

    fn option(&mut self, word: &str) {
        let number = |text: &str, most| text.parse::<u32>().ok().map(|number| number.clamp(1, most));
        match word.split_once(':') {
            Some(("timeout", text)) => {
                let seconds = number(text, 30).map(|seconds| Duration::from_secs(seconds.into()));
                self.timeout = seconds.unwrap_or(self.timeout);
            }
            Some(("attempts", text)) => self.attempts = number(text, 5).unwrap_or(self.attempts),
            None if word == "rotate" => self.rotate = true,
            _ => {}
        }
    }
}

/// `10.0.0.10`, `fe80::1%2`, or with a port: `[10.0.0.10]:5353`.
fn server(word: &str) -> Option<SocketAddr> {
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, PORT));
    }
    if let Some((ip, port)) = word.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        let port = port.parse().ok().filter(|port| *port != 0)?;
        return ip.parse().ok().map(|ip| SocketAddr::new(ip, port)).or_else(|| word.parse().ok());
    }
    format!("[{word}]:{PORT}").parse().ok()
}

#[cfg(test)]
mod tests;
