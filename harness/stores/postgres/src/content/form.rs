//! The bytes to hash for a value, where the server sends equal values with different bytes.
//!
//! A table that went through a dump holds equal values, but the server may send different bytes: NaN lost its
//! sign, an array no longer flags NULLs that it does not hold, an XML document lost the line ends before it.
//! Such values are brought into one form before they are hashed.

/// The structure of a column's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Equal values have equal bytes.
    Plain,
    /// Floating-point numbers of `width` bytes each, after `skip` other bytes.
    Floats { skip: usize, width: usize },
    /// An XML document.
    Xml,
    /// An array of values of a form.
    Array(Box<Form>),
}

/// `dimensions, flags, element type`, four bytes each. Source: `array_send` in PostgreSQL's arrayfuncs.c.
const ARRAY_HEADER_BYTES: usize = 12;
/// The length field of a NULL.
const NULL: i32 = -1;

impl Form {
    /// The form of a built-in type, given its name, or the name of its element type if it is an array.
    pub(crate) fn of(base: Option<&str>, element: Option<&str>) -> Self {
        if let Some(element) = element {
            return Self::Array(Box::new(Self::of(Some(element), None)));
        }
        match base.unwrap_or_default() {
            "float4" => Self::Floats { skip: 0, width: 4 },
            "float8" | "point" | "lseg" | "box" | "line" | "circle" => Self::Floats { skip: 0, width: 8 },
            // The number of points comes first.
            "polygon" => Self::Floats { skip: 4, width: 8 },
            // First a flag whether it is closed, then the number of points.
            "path" => Self::Floats { skip: 5, width: 8 },
            "xml" => Self::Xml,
            _ => Self::Plain,
        }
    }

    /// Appends a value in its canonical form. Returns `None` if the bytes are not such a value.
    fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Plain => out.extend_from_slice(value),
            Self::Floats { skip, width } => {
                let (before, numbers) = value.split_at_checked(*skip)?;
                out.extend_from_slice(before);
                let numbers = numbers.chunks_exact(*width);
                if !numbers.remainder().is_empty() {
                    return None;
                }
                numbers.for_each(|number| write_float(number, out));
            }
            // The server removes one line end each time it prints a document. Source: `xml_out_internal`.
            Self::Xml => {
                let lines = value.iter().take_while(|byte| **byte == b'\n').count();
                out.extend_from_slice(&value[lines..]);
            }
            Self::Array(element) => write_array(element, value, out)?,
        }
        Some(())
    }

    /// Appends a field: its length and its value.
    fn write_field(&self, field: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
        let Some(value) = field else {
            out.extend(NULL.to_be_bytes());
            return Some(());
        };
        let at = out.len();
        out.extend([0; 4]);
        self.write(value, out)?;
        let length = i32::try_from(out.len() - at - 4).ok()?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Some(())
    }
}

/// Appends a number; every NaN becomes the NaN that the server reads from text.
fn write_float(bytes: &[u8], out: &mut Vec<u8>) {
    let four = <[u8; 4]>::try_from(bytes).map(f32::from_be_bytes);
    let eight = <[u8; 8]>::try_from(bytes).map(f64::from_be_bytes);
    match (four, eight) {
        (Ok(number), _) if number.is_nan() => out.extend(0x7FC0_0000_u32.to_be_bytes()),
        (_, Ok(number)) if number.is_nan() => out.extend(0x7FF8_0000_0000_0000_u64.to_be_bytes()),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends an array whose flag says whether it holds a NULL now, not whether it once did.
fn write_array(element: &Form, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (dimensions, _) = value.split_first_chunk::<4>()?;
    let dimensions = usize::try_from(i32::from_be_bytes(*dimensions)).ok()?;
    let (header, mut rest) = value.split_at_checked(ARRAY_HEADER_BYTES + dimensions.checked_mul(8)?)?;
    let at = out.len();
    out.extend_from_slice(header);
    let mut has_null = false;
    while !rest.is_empty() {
        let (field, after) = split_field(rest)?;
        has_null |= field.is_none();
        element.write_field(field, out)?;
        rest = after;
    }
    out[at + 4..at + 8].copy_from_slice(&i32::from(has_null).to_be_bytes());
    Some(())
}

/// Splits off the first field: its bytes (`None` for NULL) and the rest. Returns `None` if the field is
/// incomplete.
fn split_field(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    match i32::from_be_bytes(*length) {
        NULL => Some((None, rest)),
        length => {
            let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(field), rest))
        }
    }
}

/// Writes rows in the forms of their columns.
pub(crate) struct Canonical<'a> {
    forms: Vec<&'a Form>,
    row: Vec<u8>,
}

impl<'a> Canonical<'a> {
    pub(crate) fn new(forms: impl IntoIterator<Item = &'a Form>) -> Self {
        let forms: Vec<_> = forms.into_iter().collect();
        // Rows of plain tables, which are the most common, are passed on unchanged.
        let is_plain = forms.iter().all(|form| **form == Form::Plain);
        Self { forms: if is_plain { Vec::new() } else { forms }, row: Vec::new() }
    }

    /// The row as it is hashed, given its fields as a binary `COPY` sends them. `None` if the bytes are not
    /// such a row.
    pub(crate) fn row<'r>(&'r mut self, row: &'r [u8]) -> Option<&'r [u8]> {
        if self.forms.is_empty() {
            return Some(row);
        }
        self.row.clear();
        let mut rest = row;
        for form in &self.forms {
            let (field, after) = split_field(rest)?;
            form.write_field(field, &mut self.row)?;
            rest = after;
        }
        rest.is_empty().then_some(&self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(value: &[u8]) -> Vec<u8> {
        let mut bytes = i32::try_from(value.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(value);
        bytes
    }

    fn array(flag: i32, elements: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = [1_i32, flag, 701, i32::try_from(elements.len()).unwrap(), 1]
            .into_iter()
            .flat_map(i32::to_be_bytes)
            .collect::<Vec<_>>();
        for element in elements {
            match element {
                Some(value) => bytes.extend(field(value)),
                None => bytes.extend(NULL.to_be_bytes()),
            }
        }
        bytes
    }

    fn written(form: &Form, value: &[u8]) -> Vec<u8> {
        let mut canonical = Canonical::new([form]);
        canonical.row(&field(value)).unwrap().to_vec()
    }

    #[test]
    fn nan_has_no_sign() {
        let form = Form::of(Some("float8"), None);
        assert_eq!(written(&form, &(-f64::NAN).to_be_bytes()), written(&form, &f64::NAN.to_be_bytes()));
        assert_eq!(written(&form, &f64::NAN.to_be_bytes()), field(&0x7FF8_0000_0000_0000_u64.to_be_bytes()));
        assert_ne!(written(&form, &(-0.0_f64).to_be_bytes()), written(&form, &0.0_f64.to_be_bytes()));
        let form = Form::of(Some("float4"), None);
        assert_eq!(written(&form, &(-f32::NAN).to_be_bytes()), written(&form, &f32::NAN.to_be_bytes()));
        let path = |number: f64| [&[1, 0, 0, 0, 1][..], &number.to_be_bytes(), &[0; 8]].concat();
        let form = Form::of(Some("path"), None);
        assert_eq!(written(&form, &path(-f64::NAN)), written(&form, &path(f64::NAN)));
        assert_ne!(written(&form, &path(1.0)), written(&form, &path(2.0)));
    }

    #[test]
    fn the_flag_of_an_array_says_whether_it_holds_a_null() {
        let form = Form::of(Some("_text"), Some("text"));
        assert_eq!(written(&form, &array(1, &[Some(b"a")])), written(&form, &array(0, &[Some(b"a")])));
        assert_eq!(written(&form, &array(1, &[None])), field(&array(1, &[None])));
        assert_ne!(written(&form, &array(1, &[None])), written(&form, &array(0, &[Some(b"")])));
        let form = Form::of(Some("_float8"), Some("float8"));
        let of = |number: f64| array(0, &[Some(&number.to_be_bytes())]);
        assert_eq!(written(&form, &of(-f64::NAN)), written(&form, &of(f64::NAN)));
    }

    #[test]
    fn line_ends_before_a_document_do_not_count() {
        let form = Form::of(Some("xml"), None);
        assert_eq!(written(&form, b"\n<a>\n</a>"), written(&form, b"<a>\n</a>"));
        assert_ne!(written(&form, b"<a>\n</a>"), written(&form, b"<a></a>"));
    }

    proptest! {
        #[test]
        fn bytes_of_another_form_are_refused_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            name in proptest::sample::select(vec!["float4", "float8", "path", "xml", "int4"]),
            is_array: bool,
        ) {
            let form = Form::of(Some(name), is_array.then_some(name));
            let row = field(&bytes);
            let mut canonical = Canonical::new([&form]);
            let once = canonical.row(&row).map(<[u8]>::to_vec);
            if let Some(once) = once {
                // A canonical row stays as it is.
                prop_assert_eq!(canonical.row(&once), Some(&once[..]));
            }
        }
    }
}
