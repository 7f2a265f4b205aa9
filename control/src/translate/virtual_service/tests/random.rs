//! Any routes at all: no panic, and a plain reading agrees.

use proptest::prelude::*;

use super::*;
use crate::resources::virtual_service::{Destination, HttpDestination};

fn text(
    values: &'static [&'static str],
    regexes: &'static [&'static str],
) -> impl Strategy<Value = StringMatch> {
    prop_oneof![
        prop::sample::select(values).prop_map(|value| StringMatch::Exact(value.into())),
        prop::sample::select(values).prop_map(|value| StringMatch::Prefix(value.into())),
        prop::sample::select(regexes).prop_map(|value| StringMatch::Regex(value.into())),
        Just(StringMatch::Present),
    ]
}

fn uri() -> impl Strategy<Value = StringMatch> {
    text(&["/", "/a", "/A", "/a/b", "/ab/"], &[".*", "/a.*", "/[ab]+", "/(a|b)/?"])
}

fn value() -> impl Strategy<Value = StringMatch> {
    text(&["a", "ab", "GET"], &["a+", ".*", "GET|POST"])
}

fn condition() -> impl Strategy<Value = HttpMatch> {
    let header = || prop::option::weighted(0.3, value());
    let all = (
        prop::option::of(uri()),
        any::<bool>(),
        header(),
        header(),
        header(),
        header(),
        prop::sample::select(&[0_u32, 0, 80, 81, u32::MAX]),
    );
    all.prop_map(|(uri, ignore_uri_case, method, present, absent, query, port)| HttpMatch {
        uri,
        ignore_uri_case,
        method,
        headers: present.map(|value| ("X-One".to_owned(), value)).into_iter().collect(),
        without_headers: absent.map(|value| ("x-two".to_owned(), value)).into_iter().collect(),
        query_params: query.map(|value| ("q".to_owned(), value)).into_iter().collect(),
        port,
        ..HttpMatch::default()
    })
}

/// Routes whose names are their places.
fn service() -> impl Strategy<Value = Object<VirtualService>> {
    prop::collection::vec(prop::collection::vec(condition(), 0..3), 0..5).prop_map(|routes| {
        let mut service = http("[{route: [{destination: {host: a}}]}]");
        let to = HttpDestination {
            destination: Destination { host: "a".into(), ..Destination::default() },
            ..HttpDestination::default()
        };
        let route = |(place, matches): (usize, Vec<HttpMatch>)| HttpRoute {
            name: place.to_string(),
            matches,
            route: vec![to.clone()],
            ..HttpRoute::default()
        };
        service.spec.http = routes.into_iter().enumerate().map(route).collect();
        service
    })
}

#[derive(Debug, Clone)]
struct Asked {
    path: &'static str,
    query: Option<&'static str>,
    method: &'static str,
    one: Option<&'static str>,
    two: Option<&'static str>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let header = || prop::option::of(prop::sample::select(&["a", "ab", "", "b"][..]));
    let path = prop::sample::select(&["/", "/a", "/A", "/a/b", "/ab/c", "/b"][..]);
    (path, header(), prop::sample::select(&["GET", "POST", "a"][..]), header(), header())
        .prop_map(|(path, query, method, one, two)| Asked { path, query, method, one, two })
}

impl Asked {
    fn request(&self) -> Request {
        let query = self.query.map(|value| format!("?q={value}")).unwrap_or_default();
        let mut request = get(&format!("{}{query}", self.path)).method(self.method);
        for (name, value) in [("x-one", self.one), ("x-two", self.two)] {
            if let Some(value) = value {
                request = request.with(name, value);
            }
        }
        request
    }

    /// The plain reading of one condition.
    fn meets(&self, condition: &HttpMatch) -> bool {
        let lower = |text: &str| text.to_ascii_lowercase();
        let path = match &condition.uri {
            Some(StringMatch::Exact(own)) if condition.ignore_uri_case => lower(own) == lower(self.path),
            Some(StringMatch::Prefix(own)) if condition.ignore_uri_case => {
                lower(self.path).starts_with(&lower(own))
            }
            Some(own) => holds(own, self.path),
            None => true,
        };
        let some = |own: &StringMatch, value: Option<&str>| value.is_some_and(|value| holds(own, value));
        let without = |own: &StringMatch| match own {
            StringMatch::Present => self.two.is_none(),
            own => !holds(own, self.two.unwrap_or("")),
        };
        path && matches!(condition.port, 0 | 80)
            && condition.method.as_ref().is_none_or(|own| holds(own, self.method))
            && condition.headers.values().all(|own| some(own, self.one))
            && condition.without_headers.values().all(without)
            && condition.query_params.values().all(|own| some(own, self.query))
    }
}

fn holds(own: &StringMatch, value: &str) -> bool {
    match own {
        StringMatch::Present => true,
        StringMatch::Exact(own) => own == value,
        StringMatch::Prefix(own) => value.starts_with(own.as_str()),
        StringMatch::Regex(own) => regex::Regex::new(&format!("^(?:{own})$")).unwrap().is_match(value),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_first_route_one_of_whose_conditions_holds_takes_a_request(
        service in service(),
        asked in prop::collection::vec(asked(), 8),
    ) {
        for asked in asked {
            let takes = |route: &&HttpRoute| {
                route.matches.is_empty() || route.matches.iter().any(|condition| asked.meets(condition))
            };
            let expected = service.spec.http.iter().find(takes).map_or("404", |route| route.name.as_str());
            let becomes = becomes(&service, &asked.request());
            prop_assert_eq!(becomes.split(' ').next().unwrap(), expected, "{:?}", asked);
        }
    }
}
