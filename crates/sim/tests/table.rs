//! A quick part of the table: one seed of scenarios of every kind. A change of what the discipline does is a readable
//! difference of the snapshot. The whole table is `crates/sim/table.txt`.

use sim::compare;

/// One of each kind: near and far, one server and several, wander, bursts, routes, steps, cold starts, odd jitter.
const QUICK: &str = "lan5_w9_p6,lan4_w8_ad,hw6_w9_p4,net1_w8_p6,net5_w9_ad,asymj_net_p6,fstep_lan4_p6,burst_net1_p6,\
                     gamma_net1_p6,route_sym1_p6,wifi1_ad,cold1073_net5,t003_p5e-2,t005_stepm1,t007_w7,two_net_p6,\
                     outage_net1,lan_lowj";

#[test]
fn a_quick_part_of_the_table() {
    let scenarios = compare::chosen(QUICK);
    assert_eq!(scenarios.len(), QUICK.split(',').count());
    let rows = compare::run(&scenarios, 1, 1, sim::pool::default_jobs(), |_| ());
    for row in &rows {
        let name = row.reference.name;
        assert_eq!(row.promises().1, 0, "{name}: the error was larger than the root distance served");
        assert!(row.promises().0 > 0, "{name}: never synchronised");
        assert_eq!(row.insane(), 0, "{name}: something is no number");
    }
    insta::assert_snapshot!(compare::text(&rows, 1));
}
