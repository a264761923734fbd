import { describe, expect, it } from 'vitest'
import { type Clock, realClock } from '../../system/index.js'
import { gatewayAndStripe, payment, stripeErrorOf } from './gateway.fixture.js'

/** A clock whose time the test sets; what waits, waits in real time. */
function steppedClock(): Clock & { step(ms: number): void } {
  let nowMs = 1_700_000_000_000
  return {
    ...realClock,
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    step: (ms) => {
      nowMs += ms
    },
  }
}

describe('lists', () => {
  it('page through everything newest first, without gaps or doubles', async () => {
    const { stripe } = await gatewayAndStripe()
    const made: string[] = []
    for (let n = 0; n < 25; n += 1) made.push((await stripe.paymentIntents.create(payment(`o${n}`))).id)
    const listed: string[] = []
    for await (const intent of stripe.paymentIntents.list({ limit: 7 })) listed.push(intent.id)
    expect(listed).toEqual(made.toReversed())
    const backwards = await stripe.paymentIntents.list({ limit: 3, ending_before: made[10] ?? '' })
    expect(backwards.data.map(({ id }) => id)).toEqual([made[13], made[12], made[11]])
    expect(backwards.has_more).toBe(true)
  })

  it('show a payment at once, however far search lags', async () => {
    const { stripe } = await gatewayAndStripe({ searchLagMs: 3_600_000 })
    const intent = await stripe.paymentIntents.create(payment('o'))
    expect((await stripe.paymentIntents.list()).data.map(({ id }) => id)).toEqual([intent.id])
    expect((await stripe.paymentIntents.search({ query: "metadata['order_id']:'o'" })).data).toEqual([])
  })

  it('keep to the created bounds that are asked for', async () => {
    const clock = steppedClock()
    const { stripe } = await gatewayAndStripe({ clock })
    for (const n of [0, 1, 2, 3, 4]) {
      await stripe.paymentIntents.create(payment(`o${n}`))
      clock.step(10_000)
    }
    const start = 1_700_000_000
    const within = async (created: { gt?: number; gte?: number; lt?: number; lte?: number } | number) =>
      (await stripe.paymentIntents.list({ created })).data.map(({ metadata }) => metadata.order_id)
    expect(await within({ gte: start + 10, lt: start + 30 })).toEqual(['o2', 'o1'])
    expect(await within({ gt: start + 10, lte: start + 30 })).toEqual(['o3', 'o2'])
    expect(await within(start + 20)).toEqual(['o2'])
    expect(await within({ gte: start + 100 })).toEqual([])
    const paged: string[] = []
    for await (const intent of stripe.paymentIntents.list({
      created: { gte: start + 10, lte: start + 30 },
      limit: 1,
    })) {
      paged.push(intent.metadata.order_id ?? '')
    }
    expect(paged).toEqual(['o3', 'o2', 'o1'])
  })

  it('stay in order when the wall clock steps back', async () => {
    const clock = steppedClock()
    const { stripe } = await gatewayAndStripe({ clock })
    await stripe.paymentIntents.create(payment('first'))
    clock.step(-3_600_000)
    await stripe.paymentIntents.create(payment('second'))
    const listed = await stripe.paymentIntents.list({ created: { gte: 1_700_000_000 } })
    expect(listed.data.map(({ metadata }) => metadata.order_id)).toEqual(['second', 'first'])
  })

  it('narrow to a customer', async () => {
    const { stripe } = await gatewayAndStripe()
    const customer = await stripe.customers.create({ email: 'a@example.com' })
    await stripe.paymentIntents.create(payment('other'))
    const intent = await stripe.paymentIntents.create(payment('theirs', { customer: customer.id }))
    await stripe.paymentIntents.create(payment('other'))
    const listed = await stripe.paymentIntents.list({ customer: customer.id, limit: 1 })
    expect(listed.data.map(({ id }) => id)).toEqual([intent.id])
    expect(listed.has_more).toBe(false)
  })

  it('refuse a limit over 100, two cursors at once, and a cursor that does not exist', async () => {
    const { stripe } = await gatewayAndStripe()
    for (const params of [
      { limit: 101 },
      { starting_after: 'pi_a', ending_before: 'pi_b' },
      { starting_after: 'pi_a' },
    ]) {
      expect(await stripeErrorOf(stripe.paymentIntents.list(params).then())).toMatchObject({ statusCode: 400 })
    }
  })
})

describe('search', () => {
  it('finds by metadata and status, pages, and honours AND, OR, negation and null', async () => {
    const { stripe } = await gatewayAndStripe()
    for (const n of [1, 2, 3])
      await stripe.paymentIntents.create(payment('o', { metadata: { order_id: 'o', n: `${n}` } }))
    await stripeErrorOf(stripe.paymentIntents.create(payment('o', { payment_method: 'pm_card_chargeDeclined' })))
    const found = async (query: string) => {
      const numbers: (string | undefined)[] = []
      for await (const { metadata } of stripe.paymentIntents.search({ query, limit: 1 })) numbers.push(metadata.n)
      return numbers
    }
    expect(await found("metadata['order_id']:'o'")).toEqual([undefined, '3', '2', '1'])
    expect(await found(`metadata["order_id"]:"o" AND status:"succeeded"`)).toEqual(['3', '2', '1'])
    expect(await found("metadata['order_id']:'o' AND metadata['n']:'2'")).toEqual(['2'])
    expect(await found("metadata['n']:'1' OR metadata['n']:'3'")).toEqual(['3', '1'])
    expect(await found("-metadata['n']:'2' status:'succeeded'")).toEqual(['3', '1'])
    expect(await found("metadata['n']:null")).toEqual([undefined])
    expect(await found("amount>999 AND amount<=1000 AND metadata['n']:'1'")).toEqual(['1'])
    expect(await found("metadata['order_id']:'another'")).toEqual([])
  })

  it('finds values with quotes in them', async () => {
    const { stripe } = await gatewayAndStripe()
    await stripe.paymentIntents.create(payment(`it's "7"`))
    const found = await stripe.paymentIntents.search({ query: String.raw`metadata['order_id']:'it\'s "7"'` })
    expect(found.data).toHaveLength(1)
  })

  it('shows objects only, and only as they were, one lag ago', async () => {
    const clock = steppedClock()
    const { stripe } = await gatewayAndStripe({ clock, searchLagMs: 60_000 })
    const intent = await stripe.paymentIntents.create({ ...payment('o'), confirm: false })
    const statuses = async () =>
      (await stripe.paymentIntents.search({ query: "metadata['order_id']:'o'" })).data.map(({ status }) => status)
    clock.step(59_999)
    expect(await statuses()).toEqual([])
    clock.step(1)
    expect(await statuses()).toEqual(['requires_confirmation'])
    await stripe.paymentIntents.confirm(intent.id)
    expect(await statuses()).toEqual(['requires_confirmation'])
    clock.step(60_000)
    expect(await statuses()).toEqual(['succeeded'])
  })

  it('works for charges too', async () => {
    const { stripe } = await gatewayAndStripe()
    await stripe.charges.create({ amount: 1, currency: 'eur', source: 'tok_visa', metadata: { order_id: 'o' } })
    expect((await stripe.charges.search({ query: "metadata['order_id']:'o'" })).data).toHaveLength(1)
  })

  it.each(["metadata['a']", 'nonsense', "colour:'red'", '', "status:'a' AND amount>1 OR amount<2"])(
    'refuses the query %j with a reason',
    async (query) => {
      const { stripe } = await gatewayAndStripe()
      expect(await stripeErrorOf(stripe.paymentIntents.search({ query }).then())).toMatchObject({ statusCode: 400 })
    },
  )
})
