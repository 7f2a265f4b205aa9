//! Precedence: of several resources that could hold, which does.

mod destination_rules;
mod peer_authentication;
mod scope;
mod services;
