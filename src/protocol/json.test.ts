import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresServers } from '../../test/support/servers.js'
import {
  InvalidInputError,
  type JsonValue,
  MAX_DEPTH,
  MAX_INPUT_BYTES,
  storableText,
  toJson,
  toJsonLossy,
} from './index.js'

class Money {
  cents = 1
}

class Lines extends Array<number> {}

function cyclic(): unknown {
  const order: Record<string, unknown> = { lines: [{}] }
  order.lines = [{ order }]
  return order
}

function nested(levels: number): unknown {
  let value: unknown = 'core'
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { in: value }
  return value
}

const named = Object.assign([1], { total: 1 })
const withHole: unknown[] = [1, 2, 3]
delete withHole[1]

/** What is refused, where, and in what words. */
const REFUSED: readonly [string, unknown, string, RegExp][] = [
  ['nothing at all', undefined, 'input', /is undefined/],
  ['a bigint', { cents: 10n }, 'input.cents', /is a bigint.*as a string/],
  ['NaN', [1, Number.NaN], 'input[1]', /is NaN/],
  ['Infinity', { a: { b: Number.POSITIVE_INFINITY } }, 'input.a.b', /is Infinity/],
  ['-Infinity', Number.NEGATIVE_INFINITY, 'input', /is -Infinity/],
  ['-0', { lines: [{ price: -0 }] }, 'input.lines[0].price', /is -0/],
  ['a Date', { at: new Date(0) }, 'input.at', /instance of Date.*ISO string/],
  ['a Map', { m: new Map() }, 'input.m', /instance of Map/],
  ['a Set', [new Set()], 'input[0]', /instance of Set/],
  ['an instance of a class', { total: new Money() }, 'input.total', /instance of Money/],
  ['an instance of no name', { x: new (class {})() }, 'input.x', /instance of a class/],
  ['a boxed string', { s: Object('x') }, 'input.s', /instance of String/],
  ['bytes', { b: Buffer.from('x') }, 'input.b', /instance of Buffer/],
  ['an error', { e: new Error('x') }, 'input.e', /instance of Error/],
  ['a promise', { p: Promise.resolve(1) }, 'input.p', /instance of Promise/],
  ['an object with inherited data', Object.create({ cents: 1 }), 'input', /instance of/],
  ['a kind of array', { lines: Lines.from([1]) }, 'input.lines', /instance of Lines/],
  ['a function', { f: () => 1 }, 'input.f', /is function/],
  ['a symbol', { s: Symbol('x') }, 'input.s', /is symbol/],
  ['a symbol as a name', { a: { [Symbol('x')]: 1 } }, 'input.a', /symbol properties/],
  ['a toJSON method', { a: { toJSON: () => 1 } }, 'input.a', /toJSON method/],
  ['an array with a toJSON method', { a: Object.assign([1], { toJSON: () => 1 }) }, 'input.a', /toJSON method/],
  ['a cycle', cyclic(), 'input.lines[0].order', /refers back to itself/],
  ['a hole', { list: withHole }, 'input.list[1]', /is undefined.*null/],
  ['undefined in an array', [[undefined]], 'input[0][0]', /is undefined.*null/],
  ['an array with a named property', { list: named }, 'input.list', /named properties/],
  ['U+0000 in a text', { a: ['x\u0000y'] }, 'input.a[0]', /U\+0000/],
  ['a lone high surrogate', { a: '\ud83d' }, 'input.a', /lone surrogate/],
  ['a lone low surrogate', { a: 'x\ude00' }, 'input.a', /lone surrogate/],
  ['surrogates in the wrong order', '\ude00\ud83d', 'input', /lone surrogate/],
  ['two high surrogates before a low one', '\ud83d\ud83d\ude00', 'input', /lone surrogate/],
  ['U+0000 in a name', { a: { 'x\u0000': 1 } }, 'input.a["x\\u0000"]', /U\+0000/],
  ['a lone surrogate in a name', { '\ud83d': 1 }, 'input["\\ud83d"]', /lone surrogate/],
  ['a place with odd names', { 'a b': { '': [10n] } }, 'input["a b"][""][0]', /bigint/],
  ['one level too many', nested(MAX_DEPTH + 1), `input${'[0].in'.repeat(MAX_DEPTH / 2)}`, /nested more than 200/],
]

describe('toJson refuses', () => {
  it.each(REFUSED)('%s, and names the place', (_, value, path, words) => {
    const error = refusalOf(() => toJson(value))
    expect(error.message).toMatch(words)
    expect(error.message).toMatch(/Nothing was written or sent\.$/)
    expect(error.path).toBe(path)
  })

  it('what a proxy or a getter changes between two looks: each is looked at once', () => {
    let looks = 0
    const shifty = {
      get cents() {
        looks++
        return looks === 1 ? 100 : Number.NaN
      },
    }
    expect(toJson(shifty)).toEqual({ cents: 100 })
  })

  it('more than 1 MiB of JSON, counted in bytes', () => {
    const overhead = '{"a":""}'.length
    const largest = { a: 'é'.repeat((MAX_INPUT_BYTES - overhead) / 2) }
    expect(toJson(largest)).toEqual(largest)
    const error = refusalOf(() => toJson({ a: `${largest.a}x` }))
    expect(error.message).toMatch(/is 1048577 bytes of JSON, over the limit of 1048576/)
    expect(error.path).toBe('input')
  })

  it('shared parts that would blow up, before they do', () => {
    let value: unknown = [1]
    for (let i = 0; i < 60; i++) value = [value, value]
    expect(refusalOf(() => toJson(value)).message).toMatch(/over the limit/)
  })

  it('by the name that the caller gives', () => {
    expect(refusalOf(() => toJson({ a: 1n }, 'fingerprint')).path).toBe('fingerprint.a')
  })
})

const SURVIVES: readonly [string, unknown][] = [
  ['null', null],
  ['an empty text', ''],
  ['all of Unicode that is well formed', 'é e\u0301 😀 \uffff \u2028 \u0001 \u007f \ufeff'],
  ['the largest number', Number.MAX_VALUE],
  ['the smallest number', Number.MIN_VALUE],
  ['numbers of many digits', [0.1 + 0.2, 1 / 3, 2 ** 53 + 2, 1e21, 1e-7, 123456789.12345679, -1.5e-300]],
  ['names like any other', JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2,"hasOwnProperty":3,"":4}')],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ['the deepest nesting', nested(MAX_DEPTH)],
  ['shared parts', ((part) => [part, { part }])({ a: [1] })],
  ['plain values of another realm', runInContext('({ a: [1, { b: 2 }] })', createContext())],
  ['names that look like numbers', { 10: 'a', 9: 'b', '-1': 'c' }],
]

const storable = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !text.includes('\u0000'))
const anyJson = fc
  .oneof(fc.jsonValue({ stringUnit: 'binary', maxDepth: 5 }), fc.dictionary(storable, fc.jsonValue()), storable)
  .map((value) => JSON.stringify(value))
  .filter((text) => !/\\u0000|\\ud[89a-f]/.test(text))
  .map((text) => JSON.parse(text) as JsonValue)

describe('what toJson accepts', () => {
  it.each(SURVIVES)('comes back equal: %s', (_, value) => {
    expect(JSON.stringify(toJson(value))).toBe(JSON.stringify(value))
  })

  it('comes back equal: any JSON', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(toJson(value)).toEqual(value)
      }),
    )
  })

  it('is a copy that no later change to the input reaches', () => {
    const input = { lines: [{ cents: 1 }] }
    const copy = toJson(input)
    input.lines[0] = { cents: 2 }
    expect(copy).toEqual({ lines: [{ cents: 1 }] })
  })

  it('has no property that is undefined, and none that cannot be enumerated', () => {
    const value = Object.defineProperty({ a: undefined, b: 1 }, 'hidden', { value: 2, enumerable: false })
    expect(Object.keys(toJson(value) as object)).toEqual(['b'])
  })
})

describe.each(postgresServers())('jsonb on $name', ({ url }) => {
  const client = new Client({ connectionString: url })
  beforeAll(() => client.connect())
  afterAll(() => client.end())

  async function throughJsonb(value: JsonValue): Promise<unknown> {
    const { rows } = await client.query<{ back: string }>('SELECT $1::jsonb::text AS back', [JSON.stringify(value)])
    return JSON.parse(rows[0]?.back ?? '')
  }

  it.each(SURVIVES)('gives back equal what toJson accepts: %s', async (_, value) => {
    const accepted = toJson(value)
    expect(await throughJsonb(accepted)).toEqual(accepted)
  })

  it('gives back equal what toJson accepts: any JSON', async () => {
    await fc.assert(
      fc.asyncProperty(anyJson, async (value) => {
        const accepted = toJson(value)
        expect(await throughJsonb(accepted)).toEqual(accepted)
      }),
      { numRuns: 300 },
    )
  })

  it('refuses what toJson refuses for its sake', async () => {
    for (const text of ['\u0000', '\ud83d', '\ude00']) {
      await expect(client.query('SELECT $1::jsonb', [JSON.stringify(text)])).rejects.toThrow()
    }
  })

  it('takes whatever toJsonLossy makes of an answer', async () => {
    for (const answer of [...ANSWERS.map(([, value]) => value), nested(10_000)]) {
      const lossy = toJsonLossy(answer)
      expect(await throughJsonb(lossy)).toEqual(lossy)
    }
    await fc.assert(
      fc.asyncProperty(fc.anything({ withBigInt: true, withDate: true, withMap: true }), async (answer) => {
        const lossy = toJsonLossy(answer)
        expect(await throughJsonb(lossy)).toEqual(lossy)
      }),
      { numRuns: 200 },
    )
  })
})

const ANSWERS: readonly [string, unknown, JsonValue][] = [
  ['nothing', undefined, null],
  ['a function', () => 1, null],
  ['a bigint by its digits', { cents: 10n }, { cents: '10' }],
  ['a Date by its text', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
  ['an instance by its properties', new Money(), { cents: 1 }],
  ['NaN by null', [Number.NaN], [null]],
  ['text that cannot be stored by what can', { 'a\u0000': 'x\u0000\ud83dy' }, { 'a\ufffd': 'x\ufffd\ufffdy' }],
  ['an answer whose toJSON gives such a text', { toJSON: () => '\u0000' }, '\ufffd'],
  ['a cycle by nothing', cyclic(), null],
  [
    'an answer that throws when it is read',
    {
      get a() {
        throw new Error('no')
      },
    },
    null,
  ],
  ['a name like any other', JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"__proto__":{"x":1}}') as JsonValue],
]

describe('toJsonLossy', () => {
  it.each(ANSWERS)('keeps %s', (_, value, expected) => {
    expect(JSON.stringify(toJsonLossy(value))).toBe(JSON.stringify(expected))
  })

  it('cuts what is nested too deeply for a journal', () => {
    expect(toJsonLossy(nested(MAX_DEPTH))).toEqual(nested(MAX_DEPTH))
    expect(JSON.stringify(toJsonLossy(nested(1_000)))).toHaveLength(JSON.stringify(nested(MAX_DEPTH)).length - 2)
  })

  it('never throws, and gives what toJson accepts', () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    expect(toJsonLossy(revoked.proxy)).toBeNull()
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true }),
        (value) => {
          const lossy = toJsonLossy(value)
          expect(() => toJson(lossy)).not.toThrow()
        },
      ),
    )
  })

  it('changes nothing of what toJson accepts', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(toJsonLossy(value)).toEqual(toJson(value))
      }),
    )
  })
})

describe('storableText', () => {
  it('replaces exactly what jsonb refuses', () => {
    expect(storableText('a\u0000b\ud83dc\ude00d😀')).toBe('a\ufffdb\ufffdc\ufffdd😀')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(storableText(storableText(text))).toBe(storableText(text))
      }),
    )
  })
})

function refusalOf(act: () => unknown): InvalidInputError {
  try {
    act()
  } catch (error) {
    if (error instanceof InvalidInputError) return error
    throw error
  }
  throw new Error('it was accepted')
}
