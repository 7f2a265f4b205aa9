use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use envoy_types::pb::google::rpc;

use super::*;
use crate::samples::{resource, set};
use crate::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET};

mod order;
mod sotw;

/// A session whose clock moves only when told to.
struct Stream {
    session: Session,
    now: Instant,
}

impl Stream {
    fn new(protocol: Protocol) -> Self {
        let now = Instant::now();
        Self { session: Session::new(protocol, Limits::default(), now), now }
    }

    fn delta(target: &Arc<ResourceSet>) -> Self {
        let mut stream = Self::new(Protocol::Delta);
        stream.session.retarget(Arc::clone(target));
        stream
    }

    fn ask(&mut self, type_url: &str, subscribe: &[&str]) {
        self.reconnect(type_url, subscribe, &[]);
    }

    fn reconnect(&mut self, type_url: &str, subscribe: &[&str], claims: &[(&str, &str)]) {
        let request = DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_subscribe: strings(subscribe),
            initial_resource_versions: claims
                .iter()
                .map(|(name, content)| {
                    let version = match *content {
                        "" => String::new(),
                        content => resource(type_url, name, content).version.to_string(),
                    };
                    ((*name).to_owned(), version)
                })
                .collect(),
            ..DeltaDiscoveryRequest::default()
        };
        assert_eq!(self.session.request(request.into(), self.now), Ok(None));
    }

    fn drop_names(&mut self, type_url: &str, names: &[&str]) {
        let request = DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_unsubscribe: strings(names),
            ..DeltaDiscoveryRequest::default()
        };
        assert_eq!(self.session.request(request.into(), self.now), Ok(None));
    }

    fn next(&mut self) -> Option<DeltaDiscoveryResponse> {
        self.session.next_response(self.now).map(|response| response.try_into().unwrap())
    }

    /// The next response in short: its type's end, what it brings, what it takes.
    fn hear(&mut self) -> Option<(DeltaDiscoveryResponse, String)> {
        let response = self.next()?;
        let mut words = vec![short(&response.type_url).to_owned()];
        words.extend(response.resources.iter().map(|r| format!("+{}", r.name)));
        words.extend(response.removed_resources.iter().map(|name| format!("-{name}")));
        Some((response, words.join(" ")))
    }

    fn answer(&mut self, response: &DeltaDiscoveryResponse, error: Option<&str>) -> Option<Verdict> {
        let request = DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: error.map(|message| rpc::Status { message: message.into(), ..Default::default() }),
            ..DeltaDiscoveryRequest::default()
        };
        self.session.request(request.into(), self.now).unwrap()
    }

    /// Hears one response, acknowledges it.
    fn accept(&mut self) -> String {
        let Some((response, words)) = self.hear() else { return "nothing".into() };
        assert!(self.answer(&response, None).is_some_and(|verdict| verdict.error.is_none()));
        words
    }

    fn refuse(&mut self) -> String {
        let Some((response, words)) = self.hear() else { return "nothing".into() };
        assert!(self.answer(&response, Some("no")).is_some_and(|verdict| verdict.error.is_some()));
        words
    }

    fn accept_all(&mut self) -> Vec<String> {
        std::iter::repeat_with(|| self.accept()).take_while(|words| words != "nothing").collect()
    }

    fn retarget(&mut self, revision: &str, resources: &[(&str, &str, &str)]) {
        self.session.retarget(set(revision, resources));
    }

    fn status(&self, type_url: &str) -> TypeStatus {
        self.session.status().into_iter().find(|status| *status.type_url == *type_url).unwrap()
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn short(type_url: &str) -> &str {
    match type_url {
        CLUSTER => "cds",
        ENDPOINTS => "eds",
        LISTENER => "lds",
        ROUTES => "rds",
        other => other.rsplit('.').next().unwrap(),
    }
}

#[test]
fn a_fresh_client_of_everything_is_answered_even_if_there_is_nothing() {
    let mut stream = Stream::delta(&set("r", &[]));
    stream.ask(CLUSTER, &[]);
    stream.ask(LISTENER, &["*"]);
    assert_eq!(stream.accept(), "cds");
    assert_eq!(stream.accept(), "lds");
    assert_eq!(stream.accept(), "nothing");
}

#[test]
fn while_the_state_is_not_known_nothing_is_sent_and_nothing_removed() {
    let mut stream = Stream::new(Protocol::Delta);
    stream.reconnect(CLUSTER, &["*"], &[("a", "1")]);
    assert_eq!(stream.accept(), "nothing");
    stream.retarget("r", &[(CLUSTER, "a", "1")]);
    assert_eq!(stream.accept(), "nothing", "nor anything that the client holds");
}

#[test]
fn only_what_changed_is_sent_with_its_version() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "1")]));
    stream.ask(CLUSTER, &["*"]);
    assert_eq!(stream.accept(), "cds +a +b");
    stream.retarget("r2", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "2")]);
    let (response, words) = stream.hear().unwrap();
    assert_eq!(words, "cds +b");
    assert_eq!(response.resources[0].version, *resource(CLUSTER, "b", "2").version);
    assert_eq!(response.system_version_info, "r2");
    stream.answer(&response, None);
    stream.retarget("r3", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "2")]);
    assert_eq!(stream.accept(), "nothing");
}

#[test]
fn while_a_response_is_unanswered_newer_states_merge_and_the_newest_wins() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1")]));
    stream.ask(CLUSTER, &["*"]);
    let (first, _) = stream.hear().unwrap();
    for content in ["2", "3", "4"] {
        stream.retarget(content, &[(CLUSTER, "a", content), (CLUSTER, "b", "1")]);
        assert_eq!(stream.hear(), None);
    }
    stream.retarget("back", &[(CLUSTER, "a", "1"), (CLUSTER, "c", "1")]);
    stream.answer(&first, None);
    assert_eq!(stream.accept(), "cds +c", "a is back at what was sent, b never was");
}

#[test]
fn a_stale_nonce_answers_nothing() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1")]));
    stream.ask(CLUSTER, &["*"]);
    let (mut first, _) = stream.hear().unwrap();
    let nonce = std::mem::replace(&mut first.nonce, "77".into());
    assert_eq!(stream.answer(&first, Some("no")), None);
    first.nonce = nonce;
    assert!(stream.answer(&first, None).is_some());
    assert_eq!(stream.answer(&first, Some("too late")), None);
    assert_eq!(stream.status(CLUSTER).nacked, None);
}

#[test]
fn a_refused_version_is_not_sent_again_until_something_else_is_wanted() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "1")]));
    stream.ask(CLUSTER, &["*"]);
    stream.accept();
    stream.retarget("r2", &[(CLUSTER, "a", "bad"), (CLUSTER, "b", "1")]);
    assert_eq!(stream.refuse(), "cds +a");
    assert_eq!(stream.accept(), "nothing");
    let refusal = stream.status(CLUSTER).nacked.unwrap();
    assert_eq!((&*refusal.message, &*refusal.mark.revision), ("no", "r2"));
    assert!(!stream.status(CLUSTER).in_sync);

    stream.retarget("r3", &[(CLUSTER, "a", "bad"), (CLUSTER, "b", "2")]);
    assert_eq!(stream.accept(), "cds +b");
    assert!(stream.status(CLUSTER).nacked.is_some(), "b's acceptance does not mend a");

    stream.retarget("r4", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "2")]);
    assert_eq!(stream.accept(), "cds +a", "it may have applied a part of the bad one");
    assert_eq!(stream.status(CLUSTER).nacked, None);
    assert!(stream.status(CLUSTER).in_sync);
}

#[test]
fn a_removal_that_travelled_with_a_refused_update_gets_one_more_chance_alone() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1"), (SECRET, "b", "1")]));
    stream.ask(SECRET, &["*"]);
    stream.accept();
    stream.retarget("r2", &[(SECRET, "a", "bad")]);
    assert_eq!(stream.refuse(), "Secret +a -b");
    assert_eq!(stream.refuse(), "Secret -b");
    assert_eq!(stream.accept(), "nothing");
}

#[test]
fn a_removal_in_a_refused_response_may_have_happened() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1"), (SECRET, "b", "1")]));
    stream.ask(SECRET, &["*"]);
    stream.accept();
    stream.retarget("r2", &[(SECRET, "a", "bad")]);
    assert_eq!(stream.refuse(), "Secret +a -b");
    stream.retarget("r3", &[(SECRET, "a", "1"), (SECRET, "b", "1")]);
    assert_eq!(stream.accept(), "Secret +a +b");
}

#[test]
fn one_bad_resource_among_many_is_found_and_the_others_come_into_force() {
    let names: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    let state: Vec<(&str, &str, &str)> = names.iter().map(|name| (SECRET, &**name, "1")).collect();
    let mut stream = Stream::delta(&set("r1", &state));
    stream.ask(SECRET, &["*"]);
    let mut responses = 0;
    while let Some((response, words)) = stream.hear() {
        responses += 1;
        let error = words.contains("+042").then_some("042 is bad");
        stream.answer(&response, error);
    }
    assert!(responses <= 1 + 2 * 7, "halving, not trying one by one: {responses}");
    let status = stream.status(SECRET);
    assert_eq!((status.held, status.in_sync), (100, false));
    assert_eq!(status.nacked.unwrap().message, "042 is bad");

    let mut mended = state.clone();
    mended[42].2 = "2";
    stream.retarget("r2", &mended);
    assert_eq!(stream.accept_all(), ["Secret +042"]);
    assert!(stream.status(SECRET).in_sync);
}

#[test]
fn a_new_name_gets_its_resource_or_the_news_that_there_is_none() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1"), (SECRET, "b", "1")]));
    stream.ask(SECRET, &["a"]);
    assert_eq!(stream.accept(), "Secret +a");
    stream.ask(SECRET, &["b", "c"]);
    assert_eq!(stream.accept(), "Secret +b -c");
    assert_eq!(stream.accept(), "nothing", "once");
    stream.ask(SECRET, &["c"]);
    assert_eq!(stream.accept(), "Secret -c", "who asks again is told again");
    stream.retarget("r2", &[(SECRET, "a", "1"), (SECRET, "b", "1"), (SECRET, "c", "1")]);
    assert_eq!(stream.accept(), "Secret +c");
}

#[test]
fn a_name_asked_for_again_is_sent_again_also_while_it_is_on_its_way() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1")]));
    stream.ask(SECRET, &["a"]);
    let (first, _) = stream.hear().unwrap();
    stream.drop_names(SECRET, &["a"]);
    stream.ask(SECRET, &["a"]);
    stream.answer(&first, None);
    assert_eq!(stream.accept(), "Secret +a");
    stream.ask(SECRET, &["a"]);
    assert_eq!(stream.accept(), "Secret +a");
    assert_eq!(stream.accept(), "nothing");
}

#[test]
fn a_dropped_name_hears_nothing_more() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1"), (SECRET, "b", "1")]));
    stream.ask(SECRET, &["a", "b"]);
    stream.accept();
    stream.drop_names(SECRET, &["a"]);
    stream.retarget("r2", &[(SECRET, "a", "2")]);
    assert_eq!(stream.accept(), "Secret -b");
}

#[test]
fn subscribing_to_everything_and_dropping_it_in_one_request_asks_for_nothing() {
    let mut stream = Stream::delta(&set("r1", &[(SECRET, "a", "1")]));
    let request = DeltaDiscoveryRequest {
        type_url: SECRET.into(),
        resource_names_subscribe: strings(&["*"]),
        resource_names_unsubscribe: strings(&["*"]),
        ..DeltaDiscoveryRequest::default()
    };
    stream.session.request(request.into(), stream.now).unwrap();
    stream.ask(SECRET, &["a"]);
    assert_eq!(stream.accept(), "Secret +a");
}

#[test]
fn a_reconnecting_client_gets_the_differences_and_what_vanished() {
    let target = set("r9", &[(SECRET, "same", "1"), (SECRET, "changed", "2"), (SECRET, "unsure", "1")]);
    let mut stream = Stream::delta(&target);
    let claims = [("same", "1"), ("changed", "1"), ("vanished", "1"), ("unsure", "")];
    stream.reconnect(SECRET, &["*"], &claims);
    assert_eq!(stream.accept(), "Secret +changed +unsure -vanished");
    assert_eq!(stream.accept(), "nothing");
}

#[test]
fn what_a_client_of_names_claims_to_hold_counts_as_asked_for() {
    let mut stream = Stream::delta(&set("r", &[(SECRET, "a", "1"), (SECRET, "b", "2")]));
    stream.reconnect(SECRET, &["a"], &[("a", "1"), ("b", "1")]);
    assert_eq!(stream.accept(), "Secret +b");
}

#[test]
fn status_tells_what_is_in_force_since_when() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1")]));
    stream.ask(CLUSTER, &["*"]);
    let (response, _) = stream.hear().unwrap();
    let sent = stream.status(CLUSTER);
    assert_eq!((sent.acked, sent.in_sync, sent.held), (None, false, 0));
    stream.now += Duration::from_millis(5);
    stream.answer(&response, None);
    let acked = stream.status(CLUSTER);
    assert_eq!(acked.acked, Some(Mark { revision: "r1".into(), at: stream.now }));
    assert_eq!((acked.in_sync, acked.held, acked.wildcard), (true, 1, true));
}

#[test]
fn limits_and_nonsense_end_the_stream() {
    let limits = Limits { types: 2, names: 3, name_length: 8, ..Limits::default() };
    let ask = |session: &mut Session, type_url: &str, names: &[&str]| {
        let request = DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_subscribe: strings(names),
            ..DeltaDiscoveryRequest::default()
        };
        session.request(request.into(), Instant::now())
    };
    let mut session = Session::new(Protocol::Delta, limits, Instant::now());
    assert_eq!(ask(&mut session, "", &[]), Err(Violation::NoType));
    assert_eq!(ask(&mut session, "123456789", &[]), Err(Violation::NameTooLong(8)));
    assert_eq!(ask(&mut session, "one", &["a", "b"]), Ok(None));
    assert_eq!(ask(&mut session, "one", &["a", "b", "c"]), Ok(None), "names count once");
    let limit = Violation::TooManyNames { limit: 3, type_url: "one".into() };
    assert_eq!(ask(&mut session, "one", &["d"]), Err(limit));
    assert_eq!(ask(&mut session, "one", &["123456789"]), Err(Violation::NameTooLong(8)));
    assert_eq!(ask(&mut session, "two", &["a"]), Ok(None));
    assert_eq!(ask(&mut session, "three", &["a"]), Err(Violation::TooManyTypes(2)));
    let other = DiscoveryRequest { type_url: "two".into(), ..DiscoveryRequest::default() };
    assert_eq!(session.request(other.into(), Instant::now()), Err(Violation::WrongProtocol));
}
