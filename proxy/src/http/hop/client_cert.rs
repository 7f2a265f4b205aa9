//! `x-forwarded-client-cert`: who the client is, told to the app; never believed from a connection that is no mTLS.

use std::cell::RefCell;

use weft_http1::{InvalidHeader, Line, Name, RequestHead};
use weft_model::http::{ClientCertDetails, ForwardClientCert};

use super::{Hop, joined};
use crate::tls::names::PeerNames;

pub(super) const XFCC: Name = Name::new("x-forwarded-client-cert");

/// What the requests of one connection are told to come from, and by what settings: the same for all of them, but for a new
/// configuration.
#[derive(Debug, Default)]
pub struct Element(RefCell<Option<Box<Told>>>);

#[derive(Debug)]
struct Told {
    own_uri: String,
    details: ClientCertDetails,
    line: Line,
}

impl Element {
    /// Shows it to `use_it`, made anew if need be.
    fn told<R>(
        &self,
        peer: &PeerNames,
        hop: &Hop<'_>,
        use_it: impl FnOnce(&Told) -> R,
    ) -> Result<R, InvalidHeader> {
        let details = hop.manager.client_cert_details;
        let mut told = self.0.borrow_mut();
        let told = match &mut *told {
            Some(told) if told.details == details && told.own_uri == hop.own_uri => told,
            other => {
                let line = Line::new(XFCC, element(peer, hop.own_uri, details))?;
                other.insert(Box::new(Told { own_uri: hop.own_uri.to_owned(), details, line }))
            }
        };
        Ok(use_it(told))
    }
}

/// Does with the header what the connection manager says.
///
/// # Errors
/// If the peer's names are no header value.
pub(super) fn tell(head: &mut RequestHead, hop: &Hop<'_>) -> Result<(), InvalidHeader> {
    use ForwardClientCert::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
    let mode = hop.manager.client_cert;
    let peer = match (mode, hop.peer) {
        (AlwaysForwardOnly, _) | (ForwardOnly, Some(_)) => return Ok(()),
        (Sanitize | ForwardOnly, _) | (_, None) => {
            head.headers.remove(XFCC);
            return Ok(());
        }
        (AppendForward | SanitizeSet, Some(peer)) => peer,
    };
    hop.element.told(peer, hop, |told| {
        if mode == AppendForward && head.headers.contains(XFCC) {
            let chain = joined(head, &XFCC, told.line.value());
            return head.headers.set(XFCC, chain);
        }
        head.headers.remove(XFCC);
        head.headers.append_line(&told.line)
    })?
}

fn element(peer: &PeerNames, own_uri: &str, details: ClientCertDetails) -> String {
    // Room for all of the usual, since to grow costs more than to fill.
    let mut element = String::with_capacity(512);
    element.extend(["By=", own_uri, ";Hash=", &peer.hash]);
    if details.subject {
        element.push_str(";Subject=\"");
        element.extend(peer.subject.chars().flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        }));
        element.push('"');
    }
    if details.uri {
        if peer.uris.is_empty() {
            element.push_str(";URI=");
        }
        for uri in &peer.uris {
            element.push_str(";URI=");
            quoted(uri, &mut element);
        }
    }
    if details.dns {
        for dns in &peer.dns {
            element.push_str(";DNS=");
            quoted(dns, &mut element);
        }
    }
    element
}

/// A name of a certificate, in quotes where it could be read as more than one field.
fn quoted(name: &str, out: &mut String) {
    if !name.contains([',', ';', '=', '"', '\\', ' ']) {
        return out.push_str(name);
    }
    out.push('"');
    out.extend(name.chars().flat_map(|c| match c {
        '"' | '\\' => vec!['\\', c],
        c => vec![c],
    }));
    out.push('"');
}
