//! Any bytes as a resource that came over xDS: nothing panics, and whatever is accepted is the same after it was
//! written and read again, and compiles or is refused in words.
//!
//! The first byte says which kind of resource the rest is.

use std::fmt::Debug;
use std::sync::Arc;

use weft_model::compile;
use weft_model::table::Names;
use weft_wire::{decode, encode, nds};

/// Takes `data` for a resource.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let mut names = Names::default();
    match kind % 5 {
        0 => {
            if let Some(model) = same(bytes, decode::listener, encode::listener) {
                let _ = compile::listener(Arc::new(model), &mut names);
            }
        }
        1 => {
            if let Some(model) = same(bytes, decode::route_configuration, encode::route_configuration) {
                let _ = compile::route_table(&model, &mut names);
            }
        }
        2 => {
            if let Some(model) = same(bytes, decode::cluster, encode::cluster) {
                let _ = compile::cluster(Arc::new(model), None);
            }
        }
        3 => {
            if let Some(model) = same(bytes, decode::load_assignment, encode::load_assignment) {
                let _ = compile::cluster(Arc::new(cluster()), Some(&model));
            }
        }
        _ => {
            if let Ok(table) = nds::decode(bytes) {
                assert_eq!(nds::decode(&nds::encode(&table).value).expect("what was written"), table);
            }
        }
    }
}

fn cluster() -> weft_model::cluster::Cluster {
    weft_model::cluster::Cluster { name: "outbound|80||a".to_owned(), ..Default::default() }
}

/// The model, if there is one; it survives being written.
fn same<M: PartialEq + Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> decode::Result<M>,
    write: impl Fn(&M) -> encode::Any,
) -> Option<M> {
    let (model, _) = read(bytes).ok()?;
    match read(&write(&model).value) {
        Ok((again, _)) => assert_eq!(again, model),
        Err(refusal) => panic!("what was accepted is refused once it was written: {refusal}\n{model:#?}"),
    }
    Some(model)
}
