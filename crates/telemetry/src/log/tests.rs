use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
    }
}

fn logged(shape: LogShape, levels: &str, work: impl FnOnce(&LogControl, &Lines)) {
    let lines = Lines::default();
    let writer = lines.clone();
    let (subscriber, control) = build(shape, levels.parse().unwrap(), move || writer.clone(), false);
    tracing::subscriber::with_default(subscriber, || work(&control, &lines));
}

#[test]
fn levels_go_by_target() {
    logged(LogShape::Text, "warn,weft_xds=debug", |_, lines| {
        tracing::info!(target: "weft_proxy", "unheard");
        tracing::debug!(target: "weft_xds::client", version = 7, "heard");
        tracing::trace!(target: "weft_xds", "unheard");
        let text = lines.take();
        assert!(text.contains("DEBUG weft_xds::client: heard version=7"), "{text}");
        assert!(!text.contains("unheard"), "{text}");
    });
}

#[test]
fn levels_change_while_the_log_runs() {
    logged(LogShape::Text, "info", |control, lines| {
        tracing::debug!(target: "weft_proxy", "first");
        assert_eq!(control.apply_query("level=debug").unwrap().to_string(), "debug");
        tracing::debug!(target: "weft_proxy", "second");
        assert_eq!(
            control.apply_query("paths=weft_proxy::tls:off,h2:info").unwrap().to_string(),
            "debug,weft_proxy::tls=off,h2=info"
        );
        tracing::error!(target: "weft_proxy::tls", "third");
        control.apply_query("h2=trace").unwrap();
        tracing::trace!(target: "h2", "fourth");
        let text = lines.take();
        assert!(text.contains("second") && text.contains("fourth"), "{text}");
        assert!(!text.contains("first") && !text.contains("third"), "{text}");
        assert_eq!(control.apply_query("").unwrap(), control.levels());
    });
}

#[test]
fn json_is_one_object_a_line() {
    logged(LogShape::Json, "info", |_, lines| {
        tracing::warn!(cluster = "outbound|80||reviews", "two\nlines \"quoted\"");
        let text = lines.take();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["cluster"]), (&"WARN".into(), &"outbound|80||reviews".into()));
        assert_eq!(line["message"], "two\nlines \"quoted\"");
    });
}

#[test]
fn a_mistyped_level_is_an_error_and_changes_nothing() {
    assert_eq!("debg".parse::<Levels>(), Err(LogError::Level("debg".into())));
    assert_eq!("h2=loud".parse::<Levels>(), Err(LogError::Level("loud".into())));
    assert_eq!("a b=info".parse::<Levels>(), Err(LogError::Target("a b".into())));
    logged(LogShape::Text, "info", |control, _| {
        for query in ["level", "level=", "paths=x", "h2", "<script>=info", "level=debug&x=y"] {
            assert!(control.apply_query(query).is_err(), "{query}");
        }
        let many: Vec<_> = (0..200).map(|i| format!("t{i}=info")).collect();
        assert_eq!(control.apply_query(&many.join("&")), Err(LogError::TooMany));
        assert_eq!(control.levels(), Levels::default());
    });
}

#[test]
fn envoy_s_names_of_levels_are_understood() {
    assert_eq!("warning,a=critical".parse::<Levels>().unwrap().to_string(), "warn,a=error");
    assert_eq!("".parse::<Levels>().unwrap(), Levels::default());
}
