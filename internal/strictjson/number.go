package strictjson

import (
	"reflect"
	"strconv"
	"strings"
)

func (d *decoder) numeric(v reflect.Value, c byte) *Error {
	if c != '-' && (c < '0' || c > '9') {
		return d.expect(false, c, wanted(v.Type()))
	}
	at := d.pos
	text, err := d.number()
	if err != nil {
		return err
	}
	if v.Kind() == reflect.Float32 || v.Kind() == reflect.Float64 {
		f, bad := strconv.ParseFloat(text, v.Type().Bits())
		if bad != nil {
			return d.errorf(OutOfRange, at, "number %s is out of range", show(text))
		}
		v.SetFloat(f)
		return nil
	}
	return setInteger(v, text, at)
}

// setInteger takes digits only: 1.0, 1e0 and -0 are second spellings.
func setInteger(v reflect.Value, text string, at int) *Error {
	fail := func(k Kind, detail string) *Error {
		return &Error{Kind: k, Offset: int64(at), Detail: detail}
	}
	digits := strings.TrimPrefix(text, "-")
	if !onlyDigits(digits) || text == "-0" || len(digits) > 1 && digits[0] == '0' {
		return fail(NotInteger, "found "+clip(text)+", expected an integer in digits only")
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return fail(OutOfRange, "found "+clip(text)+", expected an integer of at most "+strconv.Itoa(bits)+" bits")
		}
		v.SetInt(n)
		return nil
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return fail(OutOfRange, "found "+clip(text)+", expected an integer from 0, of at most "+strconv.Itoa(bits)+" bits")
	}
	v.SetUint(n)
	return nil
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// clip keeps a number of a million digits out of a message.
func clip(text string) string {
	if len(text) > 32 {
		return text[:32] + "..."
	}
	return text
}
