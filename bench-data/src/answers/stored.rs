// Written by answers/make.py.
#[rustfmt::skip]
static STORED: &[Stored] = &[
    Stored { suite: "tpch", scale: 0.1, query: 1, text: include_str!("../../answers/tpch/sf0.1/q01.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 2, text: include_str!("../../answers/tpch/sf0.1/q02.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 3, text: include_str!("../../answers/tpch/sf0.1/q03.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 4, text: include_str!("../../answers/tpch/sf0.1/q04.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 5, text: include_str!("../../answers/tpch/sf0.1/q05.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 6, text: include_str!("../../answers/tpch/sf0.1/q06.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 7, text: include_str!("../../answers/tpch/sf0.1/q07.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 8, text: include_str!("../../answers/tpch/sf0.1/q08.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 9, text: include_str!("../../answers/tpch/sf0.1/q09.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 10, text: include_str!("../../answers/tpch/sf0.1/q10.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 12, text: include_str!("../../answers/tpch/sf0.1/q12.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 13, text: include_str!("../../answers/tpch/sf0.1/q13.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 14, text: include_str!("../../answers/tpch/sf0.1/q14.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 15, text: include_str!("../../answers/tpch/sf0.1/q15.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 17, text: include_str!("../../answers/tpch/sf0.1/q17.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 18, text: include_str!("../../answers/tpch/sf0.1/q18.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 19, text: include_str!("../../answers/tpch/sf0.1/q19.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 20, text: include_str!("../../answers/tpch/sf0.1/q20.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 21, text: include_str!("../../answers/tpch/sf0.1/q21.csv") },
    Stored { suite: "tpch", scale: 0.1, query: 22, text: include_str!("../../answers/tpch/sf0.1/q22.csv") },
];
