import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Context } from '@restatedev/restate-sdk'
import type { RestatePlace } from '../restate.js'
import type { PaymentService, Receipt } from '../service/client.js'
import type { Order, System } from '../system.js'

/** A handler with one step, the least that makes the call durable, asked for under the order's id as idempotency key. */
export const restate: System = {
  name: 'restate',
  title: 'Restate',
  promise:
    'An invocation always goes on, and a finished step is not repeated; a step whose worker was lost in the middle runs again.',
  docs: 'https://docs.restate.dev/develop/ts/durable-steps',
  isQueue: false,
  needsRestate: true,
  takesOverItself: true,
  open: async ({ restate: place, service }) => {
    if (place === null) throw new Error('The system restate needs a Restate server.')
    const { worker, payments } = await startWorker(place, service)
    await register(place)
    const { connect, rpc } = await import('@restatedev/restate-sdk-clients')
    const ingress = connect({ url: place.ingressUrl }).serviceClient(payments)
    return {
      perform: async (order) => ingress.pay(order, rpc.opts({ idempotencyKey: order.id })),
      close: () => worker.close(),
    }
  },
}

async function startWorker(place: RestatePlace, payments: PaymentService) {
  providePromiseWithResolvers()
  process.env.RESTATE_LOGGING = 'ERROR'
  const { createEndpointHandler, service } = await import('@restatedev/restate-sdk')
  const definition = service({
    name: 'payments',
    handlers: {
      pay: async (context: Context, order: Order): Promise<Receipt> =>
        context.run('charge', () => payments.charge(order, order.id)),
    },
  })
  const worker = new Worker(createServer(createEndpointHandler({ services: [definition] })))
  await worker.listen(place.workerPort)
  return { worker, payments: definition }
}

/** An HTTP/2 server that ends its sessions when it closes, which Node's own waits for. */
class Worker {
  readonly #server: Http2Server
  readonly #sessions = new Set<ServerHttp2Session>()

  constructor(server: Http2Server) {
    this.#server = server
    server.on('session', (session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
    })
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const session of this.#sessions) session.destroy()
    await closed
  }
}

async function register({ adminUrl, workerPort }: RestatePlace): Promise<void> {
  const answer = await fetch(`${adminUrl}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${workerPort}`, force: true }),
  })
  if (!answer.ok) throw new Error(`Restate refused the worker: ${answer.status} ${await answer.text()}`)
}

/** The SDK needs it, and Node has it from version 22 on. */
function providePromiseWithResolvers(): void {
  if ('withResolvers' in Promise) return
  Object.defineProperty(Promise, 'withResolvers', {
    configurable: true,
    value: <T>() => {
      let resolve: (value: T | PromiseLike<T>) => void = () => undefined
      let reject: (reason: unknown) => void = () => undefined
      const promise = new Promise<T>((keep, fail) => {
        resolve = keep
        reject = fail
      })
      return { promise, resolve, reject }
    },
  })
}
