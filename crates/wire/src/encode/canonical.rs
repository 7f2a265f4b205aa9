//! One order for the entries of maps.
//!
//! Maps are hash maps in the generated types, so the same message is written in another order each time. What two
//! pushes have in common is found by comparing bytes, and so map entries are sorted once the bytes are there.

/// Where maps stand in a message: field by field, those that hold some.
struct Shape(&'static [(u32, Place)]);

enum Place {
    /// A message with maps inside, once or repeated.
    Within(&'static Shape),
    /// A map, whose values may have maps inside.
    Map(&'static Shape),
}

use Place::{Map, Within};

static PLAIN: Shape = Shape(&[]);
static STRUCT: Shape = Shape(&[(1, Map(&VALUE))]);
static VALUE: Shape = Shape(&[(5, Within(&STRUCT)), (6, Within(&LIST))]);
static LIST: Shape = Shape(&[(1, Within(&VALUE))]);
static METADATA: Shape = Shape(&[(1, Map(&STRUCT))]);
static ENDPOINT: Shape = Shape(&[(3, Within(&METADATA))]);
static LOCALITY: Shape = Shape(&[(2, Within(&ENDPOINT))]);
static ASSIGNMENT: Shape = Shape(&[(2, Within(&LOCALITY))]);
static TRANSPORT_MATCH: Shape = Shape(&[(2, Within(&STRUCT))]);
static CLUSTER: Shape = Shape(&[
    (25, Within(&METADATA)),
    (33, Within(&ASSIGNMENT)),
    (36, Map(&PLAIN)),
    (43, Within(&TRANSPORT_MATCH)),
]);
static CHAIN: Shape = Shape(&[(5, Within(&METADATA))]);
static LISTENER: Shape = Shape(&[(3, Within(&CHAIN)), (6, Within(&METADATA)), (25, Within(&CHAIN))]);
static ROUTE: Shape = Shape(&[(4, Within(&METADATA)), (13, Map(&PLAIN))]);
static HOST: Shape = Shape(&[(3, Within(&ROUTE))]);
static ROUTES: Shape = Shape(&[(2, Within(&HOST))]);
static MANAGER: Shape = Shape(&[(4, Within(&ROUTES))]);
static POLICIES: Shape = Shape(&[(2, Map(&PLAIN))]);
static RBAC: Shape = Shape(&[(1, Within(&POLICIES)), (2, Within(&POLICIES))]);
static LOG_FORMAT: Shape = Shape(&[(2, Within(&STRUCT))]);
static FILE_LOG: Shape = Shape(&[(5, Within(&LOG_FORMAT))]);
static JWT: Shape = Shape(&[(1, Map(&PLAIN))]);
static TYPED_STRUCT: Shape = Shape(&[(2, Within(&STRUCT))]);

/// The shape of a message by its full name; nothing for those without maps.
fn shape(name: &str) -> &'static Shape {
    match name {
        "envoy.config.listener.v3.Listener" => &LISTENER,
        "envoy.config.cluster.v3.Cluster" => &CLUSTER,
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => &ASSIGNMENT,
        "envoy.config.route.v3.RouteConfiguration" => &ROUTES,
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => &MANAGER,
        "envoy.extensions.filters.http.rbac.v3.RBAC" | "envoy.extensions.filters.network.rbac.v3.RBAC" => {
            &RBAC
        }
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => &JWT,
        "envoy.extensions.access_loggers.file.v3.FileAccessLog" => &FILE_LOG,
        "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct" => &TYPED_STRUCT,
        _ => &PLAIN,
    }
}

/// The same message with sorted maps. `bytes` are an encoder's own, so they are well formed.
pub(crate) fn sorted(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let shape = shape(name);
    if shape.0.is_empty() {
        return bytes;
    }
    let mut sorted = Vec::with_capacity(bytes.len());
    if sort(shape, &bytes, &mut sorted).is_some() { sorted } else { bytes }
}

fn sort(shape: &Shape, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = bytes;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut entries_of = 0;
    while !rest.is_empty() {
        let record = Record::take(&mut rest)?;
        let place = shape.0.iter().find(|(field, _)| *field == record.field).map(|(_, place)| place);
        // A map's entries follow one another.
        if record.field != entries_of {
            entries.sort_unstable();
            out.extend(entries.drain(..).flatten());
        }
        match (place, record.content) {
            (Some(Within(shape)), Some(content)) => write(record.field, shape, content, out)?,
            (Some(Map(shape)), Some(content)) => {
                let mut entry = Vec::with_capacity(record.whole.len());
                sort_entry(record.field, shape, content, &mut entry)?;
                entries.push(entry);
                entries_of = record.field;
            }
            _ => out.extend_from_slice(record.whole),
        }
    }
    entries.sort_unstable();
    out.extend(entries.drain(..).flatten());
    Some(())
}

/// A message of this shape as a field. Sorting moves bytes about; it never makes them more or fewer.
fn write(field: u32, shape: &Shape, content: &[u8], out: &mut Vec<u8>) -> Option<()> {
    prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, out);
    prost::encoding::encode_varint(u64::try_from(content.len()).ok()?, out);
    sort(shape, content, out)
}

/// An entry of a map: key 1, value 2.
fn sort_entry(field: u32, shape: &Shape, content: &[u8], out: &mut Vec<u8>) -> Option<()> {
    prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, out);
    prost::encoding::encode_varint(u64::try_from(content.len()).ok()?, out);
    let mut rest = content;
    while !rest.is_empty() {
        let record = Record::take(&mut rest)?;
        match record.content {
            Some(value) if record.field == 2 => write(2, shape, value, out)?,
            _ => out.extend_from_slice(record.whole),
        }
    }
    Some(())
}

/// One field as it stands in the bytes.
struct Record<'a> {
    field: u32,
    whole: &'a [u8],
    /// What a length-delimited field holds.
    content: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let start = *rest;
        let key = prost::encoding::decode_varint(rest).ok()?;
        let content = match key & 7 {
            0 => {
                prost::encoding::decode_varint(rest).ok()?;
                None
            }
            1 => {
                *rest = rest.get(8..)?;
                None
            }
            2 => {
                let length = usize::try_from(prost::encoding::decode_varint(rest).ok()?).ok()?;
                let content = rest.get(..length)?;
                *rest = rest.get(length..)?;
                Some(content)
            }
            5 => {
                *rest = rest.get(4..)?;
                None
            }
            _ => return None,
        };
        let whole = start.get(..start.len() - rest.len())?;
        Some(Self { field: u32::try_from(key >> 3).ok()?, whole, content })
    }
}
