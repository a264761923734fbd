// Puts the naive body in the place of examples/engines/payments.ts, for the whole process.
import { register } from 'node:module'

const naive = new URL('./naive.fixture.ts', import.meta.url).href
register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, nextResolve) {
      return nextResolve(specifier === './payments.js' ? ${JSON.stringify(naive)} : specifier, context)
    }`)}`,
)
