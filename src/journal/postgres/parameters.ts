import type { Intent, JournalWrite } from '../../protocol/index.js'
import { jsonText } from './row.js'

/** The first eleven parameters of `begin` and `enqueue`: one array per column. */
export function intentColumns(intents: readonly Intent[]): unknown[] {
  return [
    intents.map((each) => each.id),
    intents.map((each) => each.namespace),
    intents.map((each) => each.effect),
    intents.map((each) => each.key),
    intents.map((each) => each.generation),
    intents.map((each) => each.reference),
    intents.map((each) => JSON.stringify(each.input)),
    intents.map((each) => each.fingerprint),
    intents.map((each) => each.serializeKey),
    intents.map((each) => each.group),
    intents.map((each) => each.hasSettledHandler),
  ]
}

/** The first sixteen parameters of `write`: one array per column. */
export function writeColumns(writes: readonly JournalWrite[]): unknown[] {
  const changes = writes.map((each) => each.change)
  return [
    writes.map((each) => each.id),
    writes.map((each) => each.fence),
    changes.map((each) => each.state),
    changes.map((each) => each.leaseForMs),
    changes.map((each) => each.dueInMs),
    changes.map((each) => each.callForMs),
    changes.map((each) => each.callOver),
    changes.map((each) => each.doubt),
    changes.map((each) => each.attempts),
    changes.map((each) => each.findFailures),
    changes.map((each) => each.keySpent),
    changes.map((each) => jsonText(each.receipt)),
    changes.map((each) => each.externalId),
    changes.map((each) => jsonText(each.reason)),
    changes.map((each) => each.settlement),
    writes.map((each) => each.owner),
  ]
}
