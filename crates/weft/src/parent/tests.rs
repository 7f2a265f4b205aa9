use super::*;

#[test]
fn each_line_is_told_until_the_end() {
    let (teller, mut words) = mpsc::unbounded_channel();
    hear("one two\nthree\n\nlast".as_bytes(), &teller);
    drop(teller);
    let heard: Vec<String> = std::iter::from_fn(|| words.blocking_recv()).collect();
    assert_eq!(heard, ["one two", "three", "", "last"]);
}

#[test]
fn nobody_has_to_listen() {
    let (teller, words) = mpsc::unbounded_channel();
    drop(words);
    hear("one\ntwo\n".as_bytes(), &teller);
}
