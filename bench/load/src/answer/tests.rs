use super::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nserver: nginx\r\ncontent-LENGTH: 5\r\n\r\nhello";

#[test]
fn it_is_whole_with_its_last_byte_and_not_before() {
    for end in 0..ANSWER.len() {
        assert_eq!(is_whole(ANSWER.as_bytes().get(..end).unwrap(), 5), Ok(false), "{end}");
    }
    assert_eq!(is_whole(ANSWER.as_bytes(), 5), Ok(true));
}

#[test]
fn another_status_length_or_framing_is_an_error() {
    for (answer, reason) in [
        (ANSWER.replace("200", "403"), "403"),
        (ANSWER.replace(": 5", ": 4"), "a body of 4 bytes, not 5"),
        (ANSWER.replace("hello", "hello!"), "more than"),
        (ANSWER.replace("content-LENGTH: 5", "transfer-encoding: chunked"), "without Content-Length"),
    ] {
        let error = is_whole(answer.as_bytes(), 5).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn an_answer_that_is_the_last_of_its_connection_says_so_in_its_head() {
    let last = ANSWER.replace("server: nginx", "Connection: Close");
    assert!(closes(last.as_bytes()) && !closes(ANSWER.as_bytes()));
    assert!(!closes(format!("{ANSWER}\r\n\r\nconnection: close").as_bytes()));
}
