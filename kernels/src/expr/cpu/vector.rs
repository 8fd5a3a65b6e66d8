//! What an expression evaluates to: narrow lanes, their validity and their range.

use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, DictionaryArray, Float32Array, Float64Array,
    PrimitiveArray, UInt32Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{ArrowNativeType, DataType, Float32Type, Float64Type, Int32Type};

use crate::error::{Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{Family, Integer, digits, family, same_type, value_type, with_integer_type};
use crate::simd::lanes;

/// Values by storage. Integer-like types (integers, decimals unscaled, dates, times, timestamps, durations) lie in the
/// narrowest lanes that were at hand, whatever their type.
#[derive(Debug, Clone)]
pub enum Values {
    /// One bit per row.
    Boolean(BooleanBuffer),
    /// Integer-like values in 32 bits.
    I32(ScalarBuffer<i32>),
    /// Integer-like values in 64 bits.
    I64(ScalarBuffer<i64>),
    /// Integer-like values in 128 bits.
    I128(ScalarBuffer<i128>),
    /// Float32.
    F32(ScalarBuffer<f32>),
    /// Float64.
    F64(ScalarBuffer<f64>),
    /// Strings or binaries, in any layout but a dictionary.
    Bytes(ArrayRef),
    /// Strings or binaries by code. A code under a null may be anything; `values` may hold nulls, but no valid row
    /// points to one.
    Dictionary {
        /// One per row.
        codes: ScalarBuffer<i32>,
        /// What the codes point to.
        values: ArrayRef,
    },
    /// Types that expressions only pass on.
    Other(ArrayRef),
}

/// A column of results: values, validity, and (measured once, when asked) the range of integer-like values.
///
/// Values under a null are arbitrary.
#[derive(Debug, Clone)]
pub struct Vector {
    values: Values,
    nulls: Option<NullBuffer>,
    range: Arc<OnceLock<Option<Range>>>,
}

impl Vector {
    /// Values and their validity; the range is measured when asked for.
    pub(crate) fn new(values: Values, nulls: Option<NullBuffer>) -> Self {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        Self { values, nulls, range: Arc::new(OnceLock::new()) }
    }

    /// Likewise, with a range that is known to hold all values.
    pub(crate) fn with_range(values: Values, nulls: Option<NullBuffer>, range: Range) -> Self {
        let vector = Self::new(values, nulls);
        // A fresh cell: nobody else has set it.
        let _ = vector.range.set(Some(range));
        vector
    }

    /// A Boolean column.
    pub(crate) fn boolean(bits: BooleanBuffer, nulls: Option<NullBuffer>) -> Self {
        Self::new(Values::Boolean(bits), nulls)
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Validity; none where no row is null.
    #[must_use]
    pub fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::I128(values) => values.len(),
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::Bytes(values) | Values::Other(values) => values.len(),
            Values::Dictionary { codes, .. } => codes.len(),
        }
    }

    /// True for no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range that holds every integer-like value that is not null (decimals unscaled): proven by interval arithmetic
    /// or, on the first call, measured. None where there is no such value.
    #[must_use]
    pub fn range(&self) -> Option<Range> {
        *self.range.get_or_init(|| self.measure())
    }

    /// Smallest and largest value that is not null.
    pub(crate) fn measure(&self) -> Option<Range> {
        fn wide<T: Integer>(range: (T, T)) -> Range {
            Range { min: range.0.widen(), max: range.1.widen() }
        }
        let nulls = self.nulls.as_ref();
        match &self.values {
            Values::I32(values) => lanes::min_max_valid(values, nulls).map(wide),
            Values::I64(values) => lanes::min_max_valid(values, nulls).map(wide),
            Values::I128(values) => lanes::min_max_valid(values, nulls).map(wide),
            _ => None,
        }
    }

    /// Loads a column, or its rows `rows`. `Decimal128` whose values fit 64 bits is narrowed on the way.
    pub(crate) fn load(array: &ArrayRef, rows: Option<&ScalarBuffer<u32>>) -> Result<Self> {
        let data_type = array.data_type();
        if let DataType::Dictionary(..) = data_type {
            return load_dictionary(array, rows);
        }
        let nulls = array.nulls().map(|nulls| gather_nulls(nulls, rows));
        let Ok(family) = family(data_type) else {
            return Ok(Self::new(Values::Other(take_array(array, rows)?), nulls.flatten()));
        };
        let nulls = nulls.flatten();
        let values = match family {
            Family::Null => Values::Other(take_array(array, rows)?),
            Family::Boolean => {
                let bits = array.as_boolean().values();
                Values::Boolean(rows.map_or_else(|| bits.clone(), |rows| gather_bits(bits, rows)))
            }
            Family::Float => match data_type {
                DataType::Float32 => Values::F32(pick(array.as_primitive::<Float32Type>().values(), rows)),
                _ => Values::F64(pick(array.as_primitive::<Float64Type>().values(), rows)),
            },
            Family::Text | Family::Binary => Values::Bytes(take_array(array, rows)?),
            _ => load_integers(array, rows, nulls.as_ref()),
        };
        Ok(Self::new(values, nulls))
    }

    /// Rows `rows` of this column.
    pub(crate) fn take(&self, rows: &ScalarBuffer<u32>) -> Result<Self> {
        let some = Some(rows);
        let nulls = self.nulls.as_ref().and_then(|nulls| gather_nulls(nulls, some));
        let values = match &self.values {
            Values::Boolean(bits) => Values::Boolean(gather_bits(bits, rows)),
            Values::I32(values) => Values::I32(pick(values, some)),
            Values::I64(values) => Values::I64(pick(values, some)),
            Values::I128(values) => Values::I128(pick(values, some)),
            Values::F32(values) => Values::F32(pick(values, some)),
            Values::F64(values) => Values::F64(pick(values, some)),
            Values::Bytes(values) => Values::Bytes(take_array(values, some)?),
            Values::Dictionary { codes, values } => {
                Values::Dictionary { codes: pick(codes, some), values: values.clone() }
            }
            Values::Other(values) => Values::Other(take_array(values, some)?),
        };
        let taken = Self::new(values, nulls);
        if let Some(Some(range)) = self.range.get() {
            let _ = taken.range.set(Some(*range));
        }
        Ok(taken)
    }

    /// The column as an array of `data_type`, which must be the type of the expression that it came from, a narrower
    /// or wider decimal of the same scale that holds the values, or another layout of the same strings.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where `data_type` is another type.
    pub fn into_array(self, data_type: &DataType) -> Result<ArrayRef> {
        if let DataType::Dictionary(key, _) = data_type
            && !matches!(&self.values, Values::Dictionary { .. } if **key == DataType::Int32)
        {
            return Ok(cast(&self.into_array(value_type(data_type))?, data_type)?);
        }
        let Self { values, nulls, .. } = self;
        let array: ArrayRef = match values {
            Values::Boolean(bits) => Arc::new(BooleanArray::new(bits, nulls)),
            Values::F32(values) => Arc::new(Float32Array::new(values, nulls)),
            Values::F64(values) => Arc::new(Float64Array::new(values, nulls)),
            Values::I32(values) => integers_into_array(&values, nulls, data_type)?,
            Values::I64(values) => integers_into_array(&values, nulls, data_type)?,
            Values::I128(values) => integers_into_array(&values, nulls, data_type)?,
            Values::Bytes(array) | Values::Other(array) => array,
            Values::Dictionary { codes, values } => dictionary_array(codes, values, nulls)?,
        };
        if array.data_type() == data_type {
            return Ok(array);
        }
        if same_type(array.data_type(), data_type) {
            return Ok(cast(&array, data_type)?);
        }
        Err(Error::invalid(format!("a column of {} is not {data_type}", array.data_type())))
    }

    /// Integer-like lanes in 64 bits or more.
    pub(crate) fn lanes_i128(&self) -> Option<ScalarBuffer<i128>> {
        Some(match &self.values {
            Values::I32(values) => lanes::map(values, |v: i32| i128::from(v)).into(),
            Values::I64(values) => lanes::map(values, |v: i64| i128::from(v)).into(),
            Values::I128(values) => values.clone(),
            _ => return None,
        })
    }

    /// A dictionary's values at every row; other columns as they are.
    pub(crate) fn decoded(&self) -> Result<Self> {
        let Values::Dictionary { codes, values } = &self.values else { return Ok(self.clone()) };
        let keys = PrimitiveArray::<Int32Type>::new(safe_codes(codes, values.len()), self.nulls.clone());
        Ok(Self::new(Values::Bytes(take(values, &keys, None)?), self.nulls.clone()))
    }
}

/// Integer-like lanes as an array; lanes under nulls are cut to whatever fits.
fn integers_into_array<T: Integer + ArrowNativeType>(
    values: &ScalarBuffer<T>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    Ok(with_integer_type!(data_type,
        A => {
            let native = native_lanes::<T, <A as ArrowPrimitiveType>::Native>(values);
            Arc::new(PrimitiveArray::<A>::new(native, nulls).with_data_type(data_type.clone())) as ArrayRef
        },
        else return Err(Error::invalid(format!("integer lanes are not {data_type}")))
    ))
}

/// Generic over machine types and not over Arrow's, which keeps the number of compiled loops small.
fn native_lanes<T: Integer + ArrowNativeType, N: Integer + ArrowNativeType>(
    values: &ScalarBuffer<T>,
) -> ScalarBuffer<N> {
    if std::any::TypeId::of::<T>() == std::any::TypeId::of::<N>() {
        // The same machine type: no copy.
        return ScalarBuffer::new(values.inner().clone(), 0, values.len());
    }
    values.iter().map(|v| N::truncate(v.widen())).collect()
}

fn load_integers(array: &ArrayRef, rows: Option<&ScalarBuffer<u32>>, nulls: Option<&NullBuffer>) -> Values {
    with_integer_type!(array.data_type(),
        A => {
            let values = array.as_primitive::<A>().values();
            load_lanes::<<A as ArrowPrimitiveType>::Native>(values, rows, nulls)
        },
        else Values::Other(array.clone())
    )
}

/// Machine integers as lanes: 32 and 64 bits as they are, narrower ones widened, wider ones narrowed where they fit.
fn load_lanes<T: Integer + ArrowNativeType>(
    values: &ScalarBuffer<T>,
    rows: Option<&ScalarBuffer<u32>>,
    nulls: Option<&NullBuffer>,
) -> Values {
    use std::any::TypeId;
    let values = pick(values, rows);
    let id = TypeId::of::<T>();
    let len = values.len();
    let inner = || -> Buffer { values.inner().clone() };
    if id == TypeId::of::<i32>() {
        Values::I32(ScalarBuffer::new(inner(), 0, len))
    } else if id == TypeId::of::<i64>() {
        Values::I64(ScalarBuffer::new(inner(), 0, len))
    } else if id == TypeId::of::<u32>() {
        Values::I64(values.iter().map(|v| v.widen() as i64).collect())
    } else if id == TypeId::of::<i128>() {
        narrow(&ScalarBuffer::new(inner(), 0, len), nulls)
    } else if id == TypeId::of::<u64>() {
        // Read as signed, a value beyond 2^63 is negative.
        let signed = ScalarBuffer::<i64>::new(inner(), 0, len);
        if lanes::min_max_valid(&signed, nulls).is_none_or(|(min, _)| min >= 0) {
            return Values::I64(signed);
        }
        Values::I128(values.iter().map(|v| v.widen()).collect())
    } else {
        Values::I32(values.iter().map(|v| v.widen() as i32).collect())
    }
}

/// 128-bit values in 64 bits, where all that are not null fit.
fn narrow(values: &ScalarBuffer<i128>, nulls: Option<&NullBuffer>) -> Values {
    let (low, exact) = lanes::narrow_128(values);
    let fits = |value: i128| i64::try_from(value).is_ok();
    if exact
        || (nulls.is_some() && lanes::min_max_valid(values, nulls).is_none_or(|(a, b)| fits(a) && fits(b)))
    {
        return Values::I64(low.into());
    }
    Values::I128(values.clone())
}

/// Codes of a string dictionary as they are; other dictionaries decoded.
fn load_dictionary(array: &ArrayRef, rows: Option<&ScalarBuffer<u32>>) -> Result<Vector> {
    let text = matches!(family(array.data_type()), Ok(Family::Text | Family::Binary));
    let nulls = array.logical_nulls();
    let dictionary = array.as_any_dictionary();
    if !text || matches!(dictionary.values().data_type(), DataType::Dictionary(..)) {
        let plain = cast(array, value_type(array.data_type()))?;
        return Vector::load(&plain, rows);
    }
    let values = dictionary.values().clone();
    let codes = match dictionary.keys().as_primitive_opt::<Int32Type>() {
        Some(keys) => pick(keys.values(), rows),
        None => {
            let keys = dictionary.keys();
            let wide = with_integer_type!(keys.data_type(),
                K => lanes::map(keys.as_primitive::<K>().values(), |v: <K as ArrowPrimitiveType>::Native| v.widen() as i32),
                else Vec::new()
            );
            pick(&ScalarBuffer::from(wide), rows)
        }
    };
    let nulls = nulls.and_then(|nulls| gather_nulls(&nulls, rows));
    Ok(Vector::new(Values::Dictionary { codes, values }, nulls))
}

/// Codes that all point into a dictionary of `len` values (those under nulls may not), unless it is empty.
fn safe_codes(codes: &ScalarBuffer<i32>, len: usize) -> ScalarBuffer<i32> {
    let inside = |code: i32| usize::try_from(code).is_ok_and(|code| code < len);
    if codes.iter().all(|&code| inside(code)) {
        return codes.clone();
    }
    lanes::map(codes, |code: i32| if inside(code) { code } else { 0 }).into()
}

fn dictionary_array(
    codes: ScalarBuffer<i32>,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let keys = PrimitiveArray::<Int32Type>::new(safe_codes(&codes, values.len()), nulls);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
}

fn pick<T: ArrowNativeType>(values: &ScalarBuffer<T>, rows: Option<&ScalarBuffer<u32>>) -> ScalarBuffer<T> {
    match rows {
        None => values.clone(),
        Some(rows) => lanes::gather(values, rows).into(),
    }
}

pub(crate) fn gather_bits(bits: &BooleanBuffer, rows: &[u32]) -> BooleanBuffer {
    BooleanBuffer::collect_bool(rows.len(), |i| bits.value(rows[i] as usize))
}

fn gather_nulls(nulls: &NullBuffer, rows: Option<&ScalarBuffer<u32>>) -> Option<NullBuffer> {
    let nulls = match rows {
        None => nulls.clone(),
        Some(rows) => NullBuffer::new(gather_bits(nulls.inner(), rows)),
    };
    Some(nulls).filter(|nulls| nulls.null_count() > 0)
}

fn take_array(array: &ArrayRef, rows: Option<&ScalarBuffer<u32>>) -> Result<ArrayRef> {
    match rows {
        None => Ok(array.clone()),
        Some(rows) => Ok(take(array, &UInt32Array::new(rows.clone(), None), None)?),
    }
}

/// The scale of a decimal, 0 of any other type.
pub(crate) fn scale_of(data_type: &DataType) -> i32 {
    digits(data_type).map_or(0, |(_, scale)| i32::from(scale))
}

impl Vector {
    /// 128-bit lanes in the narrowest lanes that hold `bounds`, which hold every valid value.
    pub(crate) fn narrowed(self, bounds: Range) -> Self {
        let values = match (&self.values, bounds.bits()) {
            (Values::I128(values), 32) => Values::I32(lanes::map(values, |v: i128| v as i32).into()),
            (Values::I128(values), 64) => Values::I64(lanes::map(values, |v: i128| v as i64).into()),
            _ => return self,
        };
        let narrowed = Self::new(values, self.nulls);
        if let Some(Some(range)) = self.range.get() {
            let _ = narrowed.range.set(Some(*range));
        }
        narrowed
    }
}
