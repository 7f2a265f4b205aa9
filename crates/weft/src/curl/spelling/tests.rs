use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn names_go_out_as_typed_and_the_body_as_it_is() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let (mut spelled, _) = Spelled::new(ours, names(&["X-CaSe", "x-case", "HOST"]));
    for piece in [
        "GET / HTTP/1.1\r\nHost: x-case\r\nX-Ca",
        "se: x-case\r\nX-Case: 2\r\nOther: 3\r\n",
        "\r\nhost: body",
        " more",
    ] {
        spelled.write_all(piece.as_bytes()).await.unwrap();
        spelled.flush().await.unwrap();
    }
    drop(spelled);
    let mut seen = String::new();
    theirs.read_to_string(&mut seen).await.unwrap();
    let expected =
        "GET / HTTP/1.1\r\nHOST: x-case\r\nX-CaSe: x-case\r\nx-case: 2\r\nOther: 3\r\n\r\nhost: body more";
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_final_response_is_shown_as_it_came() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let (mut spelled, received) = Spelled::new(ours, Vec::new());
    let text =
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-OdD: 1\r\nSet-cookie: a\r\n\r\nbody";
    theirs.write_all(text.as_bytes()).await.unwrap();
    drop(theirs);
    assert_eq!(received.headers(), None, "nothing has come yet");
    spelled.read_to_end(&mut Vec::new()).await.unwrap();
    let expected = [("X-OdD".to_owned(), b"1".to_vec()), ("Set-cookie".to_owned(), b"a".to_vec())];
    assert_eq!(received.headers().unwrap(), expected);
}
