import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { NotExecuted, OutcomeUnknown } from '../protocol/index.js'
import { openShop, type Shop } from './shop.fixture.js'

const LOST = new OutcomeUnknown('timeout', 'There was no answer.')
const DOWN = new NotExecuted('unavailable', 'It is down.')
const TIME = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`

let shop: Shop
let empty: Shop
beforeAll(async () => {
  ;[shop, empty] = await Promise.all([openShop(inject('postgresUrl')), openShop(inject('postgresUrl'))])
  await shop.park('lost\u001b[2J\u009b', LOST)
  await shop.park('order-7', DOWN)
  await shop.perform('well')
})
afterAll(async () => {
  await Promise.all([shop.close(), empty.close()])
})

describe.concurrent('counterfoil parked', { timeout: 60_000 }, () => {
  it('ends with 0 where nothing is parked', async () => {
    expect(await empty.counterfoil('parked', './shop.js')).toEqual({ code: 0, out: 'Nothing is parked.\n', error: '' })
    const { code, out } = await empty.counterfoil('parked', './shop.js', '--json')
    expect({ code, out: JSON.parse(out) }).toEqual({ code: 0, out: { parked: [], more: false } })
  })

  it('ends with 1 where something is, and lists it, with nothing in it that speaks to the terminal', async () => {
    const { code, out, error } = await shop.counterfoil('parked', './shop.js', '--effect', 'charge')
    expect({ code, error }).toEqual({ code: 1, error: '' })
    const [head, ...rows] = out.split('\n')
    expect(head).toMatch(/^PARKED +EFFECT +KEY +REASON +IT HAPPENED +CALLS$/)
    expect(rows).toEqual([
      expect.stringMatching(
        new RegExp(String.raw`^${TIME}  charge  lost\\u001b\[2J\\u009b  find_keeps_failing  not known    1$`),
      ),
      expect.stringMatching(new RegExp(`^${TIME}  charge  order-7 +attempts_exhausted  no           1$`)),
      '',
    ])
  })

  it('says where there are more than it shows, and tells programs so', async () => {
    expect((await shop.counterfoil('parked', './shop.js', '--limit', '1')).out).toContain('There are more than these 1')
    const { code, out } = await shop.counterfoil('parked', './shop.js', '--limit', '1', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(out)).toEqual({
      more: true,
      parked: [
        {
          ...{ id: expect.any(String), effect: 'charge', key: 'lost\u001b[2J\u009b', generation: 1, attempts: 1 },
          reference: expect.any(String),
          reason: { code: 'find_keeps_failing', message: expect.any(String) },
          firstSentAtMs: expect.any(Number),
          lastDeadlineAtMs: expect.any(Number),
          inDoubtSinceMs: expect.any(Number),
          parkedAtMs: expect.any(Number),
        },
      ],
    })
  })

  it('ends with 2 where it has no such effect, no Counterfoil, or a limit that is none', async () => {
    for (const [args, words] of [
      [['./shop.js', '--effect', 'refund'], 'The effect "refund" is not among the effects'],
      [['./other.js'], 'export default new Counterfoil'],
      [['./shop.js', '--limit', 'many'], 'It is a whole number from 1.'],
    ] as const) {
      const { code, error } = await shop.counterfoil('parked', ...args)
      expect(code).toBe(2)
      expect(error).toContain(words)
    }
  })
})

describe.concurrent('counterfoil show', { timeout: 60_000 }, () => {
  it('shows how an effect stands, and ends with 0', async () => {
    const { code, out, error } = await shop.counterfoil('show', './shop.js', 'charge', 'well')
    expect({ code, error }).toEqual({ code: 0, error: '' })
    for (const line of [
      /^effect +charge$/m,
      /^state +succeeded$/m,
      /^reason +-$/m,
      /^receipt +\{"id":"ch_well"\}$/m,
      /^external id +ch_well$/m,
      new RegExp(`^first call +${TIME}$`, 'm'),
      /^in doubt since +-$/m,
    ]) {
      expect(out).toMatch(line)
    }
    expect((await shop.counterfoil('show', './shop.js', 'charge', 'order-7')).out).toMatch(
      /^reason +attempts_exhausted: .*It is down\.$/m,
    )
  })

  it('shows programs the same as JSON', async () => {
    const { code, out } = await shop.counterfoil('show', './shop.js', 'charge', 'order-7', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ key: 'order-7', state: 'parked', inDoubtSinceMs: null, receipt: null })
  })

  it('ends with 1 where there is none, and with 2 where there is no such effect', async () => {
    const none = await shop.counterfoil('show', './shop.js', 'charge', 'order-8')
    expect(none).toEqual({ code: 1, out: 'charge order-8: there is none.\n', error: '' })
    expect(await shop.counterfoil('show', './shop.js', 'charge', 'order-8', '--json')).toEqual({
      ...none,
      out: 'null\n',
    })
    expect((await shop.counterfoil('show', './shop.js', 'refund', 'order-8')).code).toBe(2)
  })
})
