import type { SeenRequest, WatchedCall } from './observed.js'
import { broken, type Check, holds } from './report.js'
import type { Scenery } from './scene.js'

/** Over all that was seen: does one attempt send one request? */
export function oneRequestPerAttempt({ stages }: Scenery): Check {
  const name = 'one_request_per_attempt'
  const sent = stages.flatMap((stage) => stage.executes()).map((call) => ({ call, requests: ofCall(call) }))
  const many = sent.find(({ requests }) => requests.length > 1)
  if (many === undefined) return holds(name, `${sent.length} attempts sent one request each at most.`)
  const [one, ...others] = many.requests
  if (one !== undefined && others.every((other) => isSame(one, other))) {
    return broken(
      name,
      `Your SDK sent the request ${times(many.requests.length)} in one attempt: the error of the last says nothing of the first.`,
      'Turn its retries off (often `maxRetries: 0`), and make none of your own: Counterfoil repeats a call when that is safe.',
    )
  }
  const list = many.requests.map(({ method, path }) => `${method} ${path.split('?')[0]}`).join(', ')
  return broken(
    name,
    `Your \`execute\` sent ${many.requests.length} different requests in one attempt: ${list}.`,
    'Make an effect of each, or say by `isEffect` which one it is.',
  )
}

function ofCall({ requests }: WatchedCall): SeenRequest[] {
  return requests.filter(({ effectful }) => effectful)
}

function isSame(one: SeenRequest, other: SeenRequest): boolean {
  return one.method === other.method && one.path === other.path
}

function times(count: number): string {
  return count === 2 ? 'twice' : `${count} times`
}
