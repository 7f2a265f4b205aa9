use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn again(words: &[&str]) -> String {
    let cli = Cli::try_parse_from(["up"].iter().chain(words)).unwrap();
    command(&cli.args, &["/my yaml".into(), "/mesh.yaml".into()])
}

#[test]
fn a_mesh_starts_again_with_all_that_it_was_started_with() {
    assert_eq!(again(&["x"]), "weft up '/my yaml' /mesh.yaml");
    assert_eq!(
        again(&["x", "--netns", "--only", "web,cart", "--app", "cart=echo \"it's\"", "-v"]),
        r#"weft up '/my yaml' /mesh.yaml --netns --only web,cart --app 'cart=echo "it'\''s"' --verbose"#
    );
    assert_eq!(
        again(&[
            "x",
            "--netns",
            "--resolv-conf",
            "/my/names",
            "--ready-within",
            "9",
            "--",
            "sh",
            "-c",
            "a b"
        ]),
        "weft up '/my yaml' /mesh.yaml --netns --resolv-conf /my/names --ready-within 9 -- sh -c 'a b'"
    );
}
