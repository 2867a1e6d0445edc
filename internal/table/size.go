package table

// ItemSize is an item's size in bytes by DynamoDB's rules: names and values of
// all attributes, the key's included; numbers take a byte per two significant
// digits and one more.
func ItemSize(k Key, a Attrs) int {
	size := len(pkAttr) + len(k.PK) + len(SKAttr) + len(k.SK)
	for name, v := range a {
		size += len(name) + v.size()
	}
	return size
}

func (v Value) size() int {
	if v.kind != KindInt {
		return len(v.str)
	}
	n, size := v.num, 1
	if n < 0 {
		size++
	}
	for n != 0 && n%10 == 0 { // trailing zeroes are not significant
		n /= 10
	}
	digits := 0
	for ; n != 0; n /= 10 {
		digits++
	}
	return size + (digits+1)/2
}

// HistEntry is what the index Hist holds of an item; nil when it is not in it.
func HistEntry(a Attrs) Attrs {
	hp, in := a[HistPK]
	if !in {
		return nil
	}
	entry := Attrs{HistPK: hp}
	if wf, ok := a[HistWork]; ok {
		entry[HistWork] = wf
	}
	return entry
}

// DueEntry is what the index Due holds of an item; nil when it is not in it.
// As on DynamoDB an item without the sort attribute is not in the index.
func DueEntry(a Attrs) Attrs {
	qp, in := a[DuePK]
	qk, sorted := a[DueSK]
	if !in || !sorted {
		return nil
	}
	return Attrs{DuePK: qp, DueSK: qk}
}
