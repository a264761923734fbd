import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from './fingerprint.js'
import { fingerprint, type JsonValue, toJson } from './index.js'

/** 22 characters of SHA-256 over the canonical text that RFC 8785 gives for a value. */
function ofCanonicalText(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url').slice(0, 22)
}

/** RFC 8785: the examples of sections 3.2.2 and 3.2.3, and numbers of appendix B. */
const VECTORS: readonly [string, string, string][] = [
  [
    'the example of section 3.2.2',
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      String.raw`"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  ],
  [
    'the order of section 3.2.3, by UTF-16 units',
    String.raw`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",` +
      String.raw`"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
    String.raw`{"\r":"Carriage Return","1":"One",` +
      '"\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face",' +
      '"\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  ['the smallest number', '5e-324', '5e-324'],
  ['the largest number', '1.7976931348623157e308', '1.7976931348623157e+308'],
  ['the largest safe integer', '9007199254740992', '9007199254740992'],
  ['the last number without an exponent', '295147905179352830000', '295147905179352830000'],
  ['a number with an exponent', '1e21', '1e+21'],
  ['a rounded number', '333333333.33333325', '333333333.33333325'],
  ['a small number', '0.000001', '0.000001'],
  ['a smaller number', '1e-7', '1e-7'],
  ['nothing', 'null', 'null'],
  ['an empty object', '{}', '{}'],
  ['an empty list', '[]', '[]'],
]

describe('a fingerprint', () => {
  it.each(VECTORS)('is over canonical JSON: %s', (_, json, canonical) => {
    expect(fingerprint(JSON.parse(json) as JsonValue)).toBe(ofCanonicalText(canonical))
  })

  // It is compared with what an earlier release stored: a change would refuse every honest duplicate as a reuse.
  it('is what every earlier release made it', () => {
    expect(fingerprint({ cents: 100, currency: 'eur', card: null })).toBe('khOcLVkCfk7YB6ggaXpFTL')
    expect(fingerprint([])).toBe('T1PNoYwrqgwDVLtfmj7L5e')
  })

  it('is equal exactly if the values are equal as JSON, in whatever order their properties were written (P7)', () => {
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue)
    fc.assert(
      fc.property(json, json, fc.infiniteStream(fc.nat()), (one, other, picks) => {
        expect(fingerprint(reordered(one, picks))).toBe(fingerprint(one))
        expect(fingerprint(one) === fingerprint(other)).toBe(isDeepStrictEqual(one, other))
      }),
    )
  })

  it('is over what an independent implementation of RFC 8785 writes, to the letter', () => {
    const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', '10', '9', '01', '-1', '__proto__', 'a'))
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 0 }).map((each) => JSON.parse(JSON.stringify(each)) as JsonValue),
        fc.array(tie('value'), { maxLength: 4 }),
        fc
          .array(fc.tuple(name, tie('value')), { maxLength: 6 })
          .map((members) =>
            toJson(Object.fromEntries(members.filter(([each]) => each.isWellFormed() && !each.includes('\u0000')))),
          ),
      ),
    }))
    fc.assert(
      fc.property(value, (each) => {
        expect(canonicalJson(each)).toBe(canonicalize(each))
      }),
    )
  })

  it('tells apart what is nearly the same', () => {
    const near: JsonValue[] = [
      1,
      '1',
      [1],
      { 1: 1 },
      true,
      'true',
      null,
      'null',
      {},
      [],
      '',
      [null],
      { a: null },
      [[]],
      0,
      false,
    ]
    near.push({ a: 1, b: 2 }, { a: 2, b: 1 }, { ab: 12 }, ['a', 1, 'b', 2], 1.0000000000000002, 'e\u0301', '\u00e9')
    expect(new Set(near.map(fingerprint)).size).toBe(near.length)
  })

  it('keeps the order of a list, in which alone order means something', () => {
    expect(fingerprint([1, 2])).not.toBe(fingerprint([2, 1]))
  })

  it('holds for what toJson accepts, names like __proto__ included', () => {
    const value = toJson(JSON.parse('{"__proto__":{"a":1},"b":2}'))
    expect(fingerprint(value)).toBe(ofCanonicalText('{"__proto__":{"a":1},"b":2}'))
  })
})

function reordered(value: JsonValue, picks: Iterator<number>): JsonValue {
  if (Array.isArray(value)) return value.map((member: JsonValue) => reordered(member, picks))
  if (value === null || typeof value !== 'object') return value
  const members = Object.entries(value).map(([name, member]) => [name, reordered(member, picks)] as const)
  const shuffled = members.map((member) => ({ member, rank: Number(picks.next().value) }))
  return Object.fromEntries(shuffled.sort((a, b) => a.rank - b.rank).map(({ member }) => member))
}
