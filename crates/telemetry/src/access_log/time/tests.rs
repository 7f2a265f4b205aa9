use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn written(format: &TimeFormat, millis: u64) -> String {
    let mut out = Vec::new();
    format.write(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
    String::from_utf8(out).unwrap()
}

fn strftime(format: &str) -> String {
    written(&TimeFormat::parse(format).unwrap(), 1_527_590_590_528)
}

#[test]
fn the_default_is_envoy_s() {
    assert_eq!(written(&TimeFormat::default_shape(), 1_460_751_420_310), "2016-04-15T20:17:00.310Z");
    assert_eq!(
        written(&TimeFormat::parse("%Y-%m-%dT%H:%M:%E3SZ").unwrap(), 1_460_751_420_310),
        "2016-04-15T20:17:00.310Z"
    );
}

#[test]
fn the_documented_examples_come_out() {
    assert_eq!(strftime("%Y/%m/%dT%H:%M:%S%z %s"), "2018/05/29T10:43:10+0000 1527590590");
    assert_eq!(strftime("%s.%3f"), "1527590590.528");
    assert_eq!(strftime("%s.%6f"), "1527590590.528000");
    assert_eq!(strftime("%s.%9f"), "1527590590.528000000");
}

#[test]
fn common_specifiers_come_out() {
    assert_eq!(strftime("%a %A %b %B %e %j %y"), "Tue Tuesday May May 29 149 18");
    assert_eq!(strftime("%F %T %R %D %I %p %Z %%"), "2018-05-29 10:43:10 10:43 05/29/18 10 AM UTC %");
    let format = TimeFormat::parse("%e %I%p").unwrap();
    assert_eq!(written(&format, 0), " 1 12AM");
}

#[test]
fn what_is_not_understood_is_named() {
    assert_eq!(TimeFormat::parse("%Q").unwrap_err(), "the specifier %Q");
    assert_eq!(TimeFormat::parse("%n").unwrap_err(), "the specifier %n");
    assert_eq!(TimeFormat::parse("x%").unwrap_err(), "a % at the end");
    assert!(TimeFormat::parse("%E0S").is_err() && TimeFormat::parse("\n").is_err());
}

#[test]
fn moments_outside_of_all_calendars_do_not_panic() {
    let format = TimeFormat::default_shape();
    assert_eq!(written(&format, u64::MAX), "1970-01-01T00:00:00.615Z");
    let mut out = Vec::new();
    format.write(&mut out, UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(out, b"1970-01-01T00:00:00.000Z");
}

proptest! {
    #[test]
    fn any_format_is_refused_or_writes_one_line(format in "[ -~]{0,20}", millis in any::<u64>()) {
        if let Ok(format) = TimeFormat::parse(&format) {
            prop_assert!(!written(&format, millis).contains(char::is_control));
        }
    }
}

#[test]
fn what_a_thread_wrote_last_is_no_other_format_s_and_no_other_second_s() {
    let (one, other) = (TimeFormat::parse("%T.%3f").unwrap(), TimeFormat::parse("%3f of %s").unwrap());
    let written: Vec<String> =
        [(&one, 1_007), (&one, 1_990), (&other, 1_990), (&other, 2_001), (&one, 2_001)]
            .iter()
            .map(|(format, millis)| written(format, *millis))
            .collect();
    assert_eq!(written, ["00:00:01.007", "00:00:01.990", "990 of 1", "001 of 2", "00:00:02.001"]);
}
