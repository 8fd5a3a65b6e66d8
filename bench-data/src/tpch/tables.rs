//! Rows of the `tpchgen` crate as Arrow batches.
//!
//! Types are those of DataFusion's own TPC-H benchmark: 64-bit keys, `Decimal128(15, 2)`, `Date32`, `Utf8`, no nulls.

use std::fmt::{Display, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use tpchgen::dates::TPCHDate;
use tpchgen::decimal::TPCHDecimal;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

const PRECISION: u8 = 15;
const SCALE: i8 = 2;

/// A column while it grows.
trait Column: Default {
    /// What is appended.
    type Value<'a>;
    fn data_type() -> DataType;
    fn push(&mut self, value: Self::Value<'_>);
    fn finish(self) -> Result<ArrayRef, ArrowError>;
}

#[derive(Default)]
struct Long(Int64Builder);

impl Column for Long {
    type Value<'a> = i64;
    fn data_type() -> DataType {
        DataType::Int64
    }
    fn push(&mut self, value: i64) {
        self.0.append_value(value);
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

#[derive(Default)]
struct Int(Int32Builder);

impl Column for Int {
    type Value<'a> = i32;
    fn data_type() -> DataType {
        DataType::Int32
    }
    fn push(&mut self, value: i32) {
        self.0.append_value(value);
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// Hundredths.
#[derive(Default)]
struct Money(Decimal128Builder);

impl Column for Money {
    type Value<'a> = TPCHDecimal;
    fn data_type() -> DataType {
        DataType::Decimal128(PRECISION, SCALE)
    }
    fn push(&mut self, value: TPCHDecimal) {
        self.0.append_value(value.0.into());
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish().with_precision_and_scale(PRECISION, SCALE)?))
    }
}

/// Whole units, stored as hundredths (the generator counts quantities in units).
#[derive(Default)]
struct Quantity(Decimal128Builder);

impl Column for Quantity {
    type Value<'a> = i64;
    fn data_type() -> DataType {
        DataType::Decimal128(PRECISION, SCALE)
    }
    fn push(&mut self, value: i64) {
        self.0.append_value(i128::from(value) * 100);
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish().with_precision_and_scale(PRECISION, SCALE)?))
    }
}

#[derive(Default)]
struct Date(Date32Builder);

impl Column for Date {
    type Value<'a> = TPCHDate;
    fn data_type() -> DataType {
        DataType::Date32
    }
    fn push(&mut self, value: TPCHDate) {
        self.0.append_value(value.to_unix_epoch());
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

#[derive(Default)]
struct Text(StringBuilder);

impl Column for Text {
    type Value<'a> = &'a dyn Display;
    fn data_type() -> DataType {
        DataType::Utf8
    }
    fn push(&mut self, value: &dyn Display) {
        // Writing to a string builder cannot fail; an empty `append_value` closes the value.
        let _ = write!(self.0, "{value}");
        self.0.append_value("");
    }
    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// A table: its schema, and any of its parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) schema: fn() -> SchemaRef,
    /// Rows at a scale; of `lineitem`, its orders times their mean number of lines.
    pub(super) about_rows: fn(f64) -> u64,
    /// Part `part` (from 1) of `parts` at a scale.
    pub(super) part: fn(f64, i32, i32) -> Result<RecordBatch, ArrowError>,
}

/// Declares one table: `name, generator, rows at a scale, { column: Kind = value of a row }`.
macro_rules! table {
    ($name:literal, $generator:ident, $rows:expr, |$row:ident| { $($column:ident: $kind:ident = $value:expr,)* }) => {
        Table {
            name: $name,
            schema: || {
                let fields = vec![$(Field::new(stringify!($column), <$kind as Column>::data_type(), false)),*];
                Arc::new(Schema::new(fields))
            },
            about_rows: $rows,
            part: |scale, part, parts| {
                struct Columns { $($column: $kind),* }
                let mut columns = Columns { $($column: $kind::default()),* };
                for $row in $generator::new(scale, part, parts).iter() {
                    $(columns.$column.push($value);)*
                }
                RecordBatch::try_from_iter_with_nullable([
                    $((stringify!($column), columns.$column.finish()?, false)),*
                ])
            },
        }
    };
}

fn scaled(scale: f64, base: u64) -> u64 {
    (scale * base as f64) as u64
}

/// All tables, in the order of [`super::TABLES`].
pub(super) const ALL: [Table; 8] = [
    table!("region", RegionGenerator, |_| 5, |row| {
        r_regionkey: Long = row.r_regionkey,
        r_name: Text = &row.r_name,
        r_comment: Text = &row.r_comment,
    }),
    table!("nation", NationGenerator, |_| 25, |row| {
        n_nationkey: Long = row.n_nationkey,
        n_name: Text = &row.n_name,
        n_regionkey: Long = row.n_regionkey,
        n_comment: Text = &row.n_comment,
    }),
    table!("supplier", SupplierGenerator, |scale| scaled(scale, 10_000), |row| {
        s_suppkey: Long = row.s_suppkey,
        s_name: Text = &row.s_name,
        s_address: Text = &row.s_address,
        s_nationkey: Long = row.s_nationkey,
        s_phone: Text = &row.s_phone,
        s_acctbal: Money = row.s_acctbal,
        s_comment: Text = &row.s_comment,
    }),
    table!("customer", CustomerGenerator, |scale| scaled(scale, 150_000), |row| {
        c_custkey: Long = row.c_custkey,
        c_name: Text = &row.c_name,
        c_address: Text = &row.c_address,
        c_nationkey: Long = row.c_nationkey,
        c_phone: Text = &row.c_phone,
        c_acctbal: Money = row.c_acctbal,
        c_mktsegment: Text = &row.c_mktsegment,
        c_comment: Text = &row.c_comment,
    }),
    table!("part", PartGenerator, |scale| scaled(scale, 200_000), |row| {
        p_partkey: Long = row.p_partkey,
        p_name: Text = &row.p_name,
        p_mfgr: Text = &row.p_mfgr,
        p_brand: Text = &row.p_brand,
        p_type: Text = &row.p_type,
        p_size: Int = row.p_size,
        p_container: Text = &row.p_container,
        p_retailprice: Money = row.p_retailprice,
        p_comment: Text = &row.p_comment,
    }),
    table!("partsupp", PartSuppGenerator, |scale| 4 * scaled(scale, 200_000), |row| {
        ps_partkey: Long = row.ps_partkey,
        ps_suppkey: Long = row.ps_suppkey,
        ps_availqty: Int = row.ps_availqty,
        ps_supplycost: Money = row.ps_supplycost,
        ps_comment: Text = &row.ps_comment,
    }),
    table!("orders", OrderGenerator, |scale| scaled(scale, 1_500_000), |row| {
        o_orderkey: Long = row.o_orderkey,
        o_custkey: Long = row.o_custkey,
        o_orderstatus: Text = &row.o_orderstatus,
        o_totalprice: Money = row.o_totalprice,
        o_orderdate: Date = row.o_orderdate,
        o_orderpriority: Text = &row.o_orderpriority,
        o_clerk: Text = &row.o_clerk,
        o_shippriority: Int = row.o_shippriority,
        o_comment: Text = &row.o_comment,
    }),
    table!("lineitem", LineItemGenerator, |scale| 4 * scaled(scale, 1_500_000), |row| {
        l_orderkey: Long = row.l_orderkey,
        l_partkey: Long = row.l_partkey,
        l_suppkey: Long = row.l_suppkey,
        l_linenumber: Int = row.l_linenumber,
        l_quantity: Quantity = row.l_quantity,
        l_extendedprice: Money = row.l_extendedprice,
        l_discount: Money = row.l_discount,
        l_tax: Money = row.l_tax,
        l_returnflag: Text = &row.l_returnflag,
        l_linestatus: Text = &row.l_linestatus,
        l_shipdate: Date = row.l_shipdate,
        l_commitdate: Date = row.l_commitdate,
        l_receiptdate: Date = row.l_receiptdate,
        l_shipinstruct: Text = &row.l_shipinstruct,
        l_shipmode: Text = &row.l_shipmode,
        l_comment: Text = &row.l_comment,
    }),
];
