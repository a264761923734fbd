import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The page that shows an example of one file, to the letter; those of several have tests of their own. */
const SHOWN: readonly (readonly [example: string, page: string])[] = [
  ['examples/settled.ts', 'docs/settled.md'],
  ['examples/stripe.ts', 'docs/providers/stripe.md'],
  ['examples/webhook.ts', 'docs/reconciliation.md'],
]

test.each(SHOWN)('%s compiles, and stands in %s to the letter', (example, page) => {
  expect(readFileSync(page, 'utf8')).toContain(readFileSync(example, 'utf8'))
})

test('every pool in the examples has the two times without which a statement waits for ever, or says where to read of them', () => {
  const pools = ['leases', 'first-charge', 'inbox/shop', 'outbox/counterfoil', 'engines/payments'].flatMap((name) => {
    const source = readFileSync(`examples/${name}.ts`, 'utf8')
    return source.match(/new pg\.Pool\([\s\S]*?\}\).*/g) ?? []
  })
  expect(pools).toHaveLength(5)
  for (const pool of pools) expect(pool).toMatch(/connectionTimeoutMillis[\s\S]*query_timeout|docs\/dispatcher\.md/)
})
