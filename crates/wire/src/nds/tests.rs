use super::*;

fn info(ips: &[&str]) -> nds::name_table::NameInfo {
    nds::name_table::NameInfo { ips: ips.iter().map(|ip| (*ip).to_owned()).collect(), ..Default::default() }
}

fn table(host: &str, ips: &[&str]) -> Vec<u8> {
    nds::NameTable { table: [(host.to_owned(), info(ips))].into(), name_info: None }.encode_to_vec()
}

#[test]
fn names_are_told_in_lower_case_with_all_their_addresses() {
    let names = decode(&table("A.Example", &["10.0.0.1", "fd00::1"])).unwrap();
    assert_eq!(names.hosts["a.example"].ips.len(), 2);
}

#[test]
fn an_address_that_is_none_is_an_error_that_names_the_host() {
    let error = decode(&table("a.example", &["10.0.0.256"])).unwrap_err();
    assert!(error.to_string().contains("a.example") && error.to_string().contains("10.0.0.256"), "{error}");
}

#[test]
fn bytes_that_are_no_table_are_an_error() {
    assert!(matches!(decode(&[0x0a, 0xff]), Err(NameTableError::Bytes(_))));
}
