import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryId, MAX_KEY_LENGTH, reference, referencePrefix } from './index.js'

const name = fc.string({ unit: 'binary', maxLength: 40 })

describe('a reference', () => {
  it('is 36 characters that every service accepts, the first a letter', () => {
    fc.assert(
      fc.property(
        name,
        name,
        fc.string({ unit: 'binary', maxLength: MAX_KEY_LENGTH }),
        fc.nat(),
        (ns, effect, key, n) => {
          expect(reference(ns, effect, key, n)).toMatch(/^c[A-Za-z0-9_-]{35}$/)
        },
      ),
    )
  })

  it('begins with what says whose it is: the same for an effect, another for another', () => {
    fc.assert(
      fc.property(name, name, name, fc.nat(), (ns, effect, key, n) => {
        expect(referencePrefix(ns, effect)).toHaveLength(8)
        expect(reference(ns, effect, key, n).startsWith(referencePrefix(ns, effect))).toBe(true)
      }),
    )
    expect(referencePrefix('shop', 'charge')).not.toBe(referencePrefix('shop', 'refund'))
    expect(referencePrefix('shop', 'charge')).not.toBe(referencePrefix('test', 'charge'))
  })

  it('does not meet another by moving a boundary between its parts', () => {
    const neighbours = [
      ['a', 'b', 'c'],
      ['ab', '', 'c'],
      ['', 'ab', 'c'],
      ['a', 'bc', ''],
      ['a', '', 'bc'],
      ['', '', 'abc'],
      ['abc', '', ''],
      ['a"', ',"b', 'c'],
      ['a', 'b', 'c\u0000'],
      ['a', 'b', 'c,1'],
    ] as const
    const references = neighbours.flatMap(([ns, effect, key]) => [1, 11].map((n) => reference(ns, effect, key, n)))
    expect(new Set(references).size).toBe(neighbours.length * 2)
    const ids = neighbours.map(([ns, effect, key]) => entryId(ns, effect, key))
    expect(new Set(ids).size).toBe(neighbours.length)
  })

  it('is another for another part, and the same for the same', () => {
    const parts = fc.tuple(name, name, name, fc.integer({ min: 1, max: 20 }))
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other)
        expect(reference(...one) === reference(...other)).toBe(same)
        expect(reference(...one)).toBe(reference(...one))
      }),
    )
  })

  // A service compares them with what an earlier release sent: a change would make every effect in flight happen twice.
  it('is what every earlier release made it', () => {
    expect(reference('default', 'charge-order', 'order-1', 1)).toBe('c3jBjurJeMJejy6BTQOfBv_7pnHwTSjw2UKn')
    expect(reference('default', 'charge-order', 'order-1', 2)).toBe('c3jBjurJ0kd6EHP_nzHcdP_I_U-DnMqGlEar')
    expect(reference('', '', '', 1)).toBe('cQ5CD84lPkZQkGbiBzRgLdHxxghZDpERkmWl')
    expect(reference('shop/eu', 'versand', 'Bestellung №7 🧾', 1)).toBe('clu0ML6BMFSOd4EE5KsKRZyOfR8eSoVWYwXq')
    expect(referencePrefix('default', 'charge-order')).toBe('c3jBjurJ')
  })
})

describe('an entry id', () => {
  it('is a UUID of version 8 and of the variant of RFC 9562', () => {
    fc.assert(
      fc.property(name, name, name, (ns, effect, key) => {
        expect(entryId(ns, effect, key)).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
      }),
    )
  })

  it('is what every earlier release made it', () => {
    expect(entryId('default', 'charge-order', 'order-1')).toBe('d5fe6450-c5e6-8594-ad48-2ca94c7ae3f1')
    expect(entryId('shop/eu', 'versand', 'Bestellung №7 🧾')).toBe('5a9636f9-fc7d-8757-91ce-42a111162c70')
  })
})
