import {
  type CancelRequest,
  type Call as EngineCall,
  NotExecuted,
  OutcomeUnknown,
  type Provider,
  Rejected,
} from '../../protocol/index.js'
import { PLACES } from './agenda.js'
import { inWords } from './connection.js'
import type { Point } from './faults.js'
import type { Terms } from './scenario.js'
import type { Scene } from './scene.js'
import { type Answer, type Call, type Service, short } from './service.js'
import type { Operation, Order, Receipt, Request } from './truth.js'
import type { Life } from './worker.js'

/** What a provider's code in one life of a worker sees: the network to the service, and the words of its answers. */
export function providerOf(scene: Scene, service: Service, life: Life): Provider<Order, Receipt> {
  const line = new Line(scene, service, life)
  const toDo = (order: Order): Request => ({ ...order, undoes: null })
  const { rate } = scene.terms
  const doing = {
    ...capable(scene.terms, line, toDo),
    ...(rate === null ? {} : { rateLimit: { calls: rate.calls, per: rate.perMs } }),
  }
  if (!scene.terms.undoable) return doing
  const toUndo = ({ externalId }: CancelRequest<Receipt>): Request => ({
    ...{ key: externalId, variant: 0, undoes: externalId },
  })
  return { ...doing, cancel: capable(scene.terms, line, toUndo) }
}

/** What the service can do, for what `asked` makes of an input. */
function capable<Input>(terms: Terms, line: Line, asked: (input: Input) => Request): Provider<Input, Receipt> {
  const execute = (input: Input, call: EngineCall): Promise<Receipt> => line.execute(asked(input), call)
  const find = (input: Input, call: EngineCall): Promise<Receipt | null> => line.find(asked(input), call)
  const idempotencyKey = { window: terms.windowMs, margin: terms.marginMs }
  switch (terms.doubt) {
    case 'key':
      return { execute, idempotencyKey }
    case 'find':
      return { execute, find, settlesWithin: terms.settlesWithinMs }
    case 'key_and_find':
      return { execute, find, settlesWithin: terms.settlesWithinMs, idempotencyKey }
    case 'park':
      return { execute, inDoubt: 'park' }
  }
}

/** What comes back of a request, after a time. */
interface WayBack {
  readonly failed: (delayMs: number, error: Error) => void
  readonly answered: (delayMs: number, answer: Answer) => void
}

/** How a request of one life travels, and what comes back of it. */
class Line {
  readonly #scene: Scene
  readonly #service: Service
  readonly #life: Life

  constructor(scene: Scene, service: Service, life: Life) {
    this.#scene = scene
    this.#service = service
    this.#life = life
  }

  execute(order: Request, engineCall: EngineCall): Promise<Receipt> {
    return new Promise<Receipt>((resolve, reject) => {
      const scene = this.#scene
      const { reference, attempt, signal } = engineCall
      scene.checks.sends(this.#life, engineCall)
      this.#tell(`calls for ${order.key}, attempt ${attempt}, ${short(reference)}`)
      // The abort comes by a timer, which is cut to whole milliseconds.
      const deadlineMs = scene.nowMs + Math.max(1, Math.trunc(engineCall.remainingMs())) / this.#life.rate
      const call: Call = {
        order,
        reference,
        asked: scene.agenda.asked(),
        point: this.#life.point(),
        deadlineMs,
        endedAtMs: null,
        endsAtMs: deadlineMs,
      }
      const finish = (how: () => void): void => {
        if (call.endedAtMs !== null) return
        call.endedAtMs = scene.nowMs
        scene.checks.ended(this.#life, engineCall)
        how()
      }
      const giveUp = (): void => {
        this.#tell(`gives up its call for ${order.key}`)
        reject(signal.reason)
      }
      if (!scene.terms.ignoresAbort) {
        signal.addEventListener('abort', () => this.#life.alive && finish(giveUp), { once: true })
      }
      this.#send(call, {
        failed: (delayMs, error) => {
          const hear = (): void => {
            this.#tell(`hears of its call for ${order.key}: ${error.message}`)
            reject(error)
          }
          this.#life.hears(delayMs, () => finish(hear), { named: () => `${call.asked} fails: ${error.message}` })
        },
        answered: (delayMs, answer) => {
          const hear = (): void => finish(() => this.#hear({ order, reference, attempt }, answer, { resolve, reject }))
          this.#life.hears(delayMs, hear, { named: () => `${call.asked}: ${inWords(answer)}` })
        },
      })
    })
  }

  #hear(
    { order, reference, attempt }: Pick<Call, 'order' | 'reference'> & Pick<EngineCall, 'attempt'>,
    answer: Answer,
    caller: { readonly resolve: (receipt: Receipt) => void; readonly reject: (error: Error) => void },
  ): void {
    const { honoursKeys } = this.#service
    this.#tell(`hears for ${order.key}: ${answer.kind === 'done' ? answer.receipt.id : answer.kind}`)
    this.#scene.checks.answered(this.#life, { reference, attempt }, finalityOf(answer, honoursKeys))
    if (answer.kind === 'done') caller.resolve(answer.receipt)
    else caller.reject(errorOf(answer, honoursKeys))
  }

  #send(call: Call, back: WayBack): void {
    const { fates, agenda, nowMs, terms } = this.#scene
    const { point } = call
    const transitMs = fates.spread('request', point, 0.5, 20)
    const arrivesAt = (atMs: number): void => {
      this.#service.expect(call)
      const reply = (answer: Answer): void => this.#reply(point, answer, back)
      agenda.at(
        atMs,
        true,
        () => this.#service.receive(call, reply),
        PLACES.service,
        () => `${call.asked} arrives`,
      )
    }
    if (fates.strikes('refused', point)) {
      back.failed(transitMs, new NotExecuted('ECONNREFUSED', 'refused'))
    } else if (fates.strikes('request_lost', point)) {
      this.#tell('(its request is lost)')
    } else if (fates.strikes('request_reset', point)) {
      back.failed(fates.spread('fault', point, 1, 800), new Error('reset, nothing arrived'))
    } else if (fates.strikes('request_late', point)) {
      const resetMs = fates.spread('fault', point, 1, 800)
      const resets = fates.spread('order', point, 1, 4) < 2
      if (resets) back.failed(resetMs, new Error('reset while the request was still on its way'))
      const endsAtMs = resets ? Math.min(nowMs + resetMs, call.deadlineMs) : call.deadlineMs
      call.endsAtMs = endsAtMs
      arrivesAt(fates.upTo('request', point, nowMs + transitMs, endsAtMs + terms.lateMs))
    } else {
      arrivesAt(nowMs + transitMs)
    }
  }

  #reply(point: Point, answer: Answer, back: WayBack): void {
    const { fates, terms } = this.#scene
    if (fates.strikes('response_lost', point)) {
      this.#tell('(the answer to its call is lost)')
    } else if (fates.strikes('response_reset', point)) {
      back.failed(fates.spread('answer', point, 1, 500), new Error('reset while waiting for the answer'))
    } else {
      const slow = fates.strikes('response_slow', point)
      back.answered(fates.spread('answer', point, 0.5, slow ? 2 * terms.timeoutMs : 20), answer)
    }
  }

  find(order: Request, engineCall: EngineCall): Promise<Receipt | null> {
    return new Promise<Receipt | null>((resolve, reject) => {
      const { fates, agenda, nowMs, terms, checks } = this.#scene
      const { reference, signal } = engineCall
      checks.looksUp(this.#life, engineCall)
      const point = this.#life.point()
      const asked = agenda.asked()
      this.#tell(`asks for ${order.key}, ${short(reference)}`)
      let over = false
      const finish = (how: () => void): void => {
        if (over) return
        over = true
        checks.ended(this.#life, engineCall)
        how()
      }
      signal.addEventListener('abort', () => this.#life.alive && finish(() => reject(signal.reason)), { once: true })
      if (fates.strikes('find_fails', point)) {
        const hear = (): void => {
          this.#tell(`cannot ask for ${order.key}`)
          reject(new Error('the look-up failed'))
        }
        const named = (): string => `${asked} fails`
        this.#life.hears(fates.spread('fault', point, 1, 500), () => finish(hear), { named })
      } else if (fates.strikes('find_hangs', point)) {
        this.#tell('(its look-up is lost)')
      } else {
        const mostMs = fates.strikes('find_slow', point) ? terms.timeoutMs : 20
        const look = (): void => {
          const known = this.#service.look(reference)
          const hear = (): void => finish(() => this.#learn(order, known, { resolve, reject }))
          const named = (): string => `${asked}: ${inWords(typeof known === 'object' ? known?.receipt : known)}`
          this.#life.hears(fates.spread('answer', point, 0.5, mostMs), hear, { named })
        }
        const atMs = nowMs + fates.spread('request', point, 0.5, mostMs)
        agenda.at(atMs, true, look, PLACES.service, () => `${asked} arrives`)
      }
    })
  }

  #learn(
    order: Request,
    known: Operation | 'declined' | null,
    caller: { readonly resolve: (receipt: Receipt | null) => void; readonly reject: (error: Error) => void },
  ): void {
    this.#tell(`learns of ${order.key}: ${known === null ? 'absent' : known === 'declined' ? known : known.receipt.id}`)
    if (known === 'declined') caller.reject(new Rejected('declined', 'Declined, says the look-up.'))
    else caller.resolve(known?.receipt ?? null)
  }

  #tell(what: string): void {
    this.#scene.timeline?.tell(this.#life.name, what)
  }
}

/** What an answer proves, as a careful provider says it. */
function errorOf(answer: Exclude<Answer, { kind: 'done' }>, aboutTheReference: boolean): Error {
  switch (answer.kind) {
    case 'declined':
      return new Rejected('declined', 'Declined.', { settlesDoubt: aboutTheReference })
    case 'barred':
      return new Rejected('barred', 'Refused in front of the service.')
    case 'turned_away':
      return new NotExecuted('rate_limited', 'Not now.', { retryAfterMs: answer.retryAfterMs })
    case 'in_use':
      return new NotExecuted('key_in_use', 'A call with this key is under way.')
    case 'failed':
      return new OutcomeUnknown('internal_error', 'Something went wrong.', { keySpent: answer.stored })
  }
}

/** What an answer refuses for good. */
function finalityOf({ kind }: Answer, aboutTheReference: boolean): 'this call' | 'the reference' | null {
  if (kind === 'declined') return aboutTheReference ? 'the reference' : 'this call'
  return kind === 'barred' ? 'this call' : null
}
