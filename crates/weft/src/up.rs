//! `weft up`: the mesh of some folders of YAML, running on this machine.

mod addresses;
mod environment;
mod expand;
//mod manifests;
mod mention;
mod only;
mod plan;
mod pods;
mod protocol;
mod quantity;
mod services;
