use super::*;

const TABLE: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 2 1 0 100 0 0 10 0
   2: 0200F40A:3A99 0300F40A:D431 01 00000000:00000000 00:00000000 00000000  1337        0 3 1 0 20 4 30 10 -1
";

#[test]
fn who_listens_is_read_from_the_kernels_table_and_who_is_only_connected_does_not() {
    assert_eq!(listening(TABLE).collect::<Vec<_>>(), [8080, 15001]);
}
