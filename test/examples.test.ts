import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The page that shows an example of one file, to the letter; those of several have tests of their own. */
const SHOWN: readonly (readonly [example: string, page: string])[] = [
  ['examples/webhook.ts', 'docs/reconciliation.md'],
]

test.each(SHOWN)('%s compiles, and stands in %s to the letter', (example, page) => {
  expect(readFileSync(page, 'utf8')).toContain(readFileSync(example, 'utf8'))
})
