import {
  type Permit,
  SendFailed,
  type StripeHttpClient,
  type StripeHttpResponse,
  type StripeRequestHeaders,
  type Transport,
} from './http.js'

/** Carries a permit's name from a request's options down to the HTTP client, which takes it off. It is never sent. */
const PERMIT_HEADER = 'X-Counterfoil-Permit'

/** How long after the deadline a connection is given up even if nobody aborts. */
const SIGNAL_GRACE_MS = 1_000

/** The options that tie one request of the SDK to its permit. */
export interface PermitOptions {
  readonly maxNetworkRetries: 0
  readonly headers: Record<string, string>
  /** Milliseconds; left out where there is no deadline. */
  readonly timeout?: number
}

/** What became of one permit. */
export interface Sending {
  readonly options: PermitOptions
  /** Whether a byte may have left. */
  readonly written: boolean
  /** Nothing is sent under this permit from now on. */
  end(): void
}

interface OpenPermit {
  readonly permit: Permit
  used: boolean
}

/**
 * The SDK's `httpClient` for our calls: one permit, one send. A request without an open permit, or the second under
 * one, is refused without being sent, whatever the SDK's rules for sending again are (it does so on ECONNRESET and
 * EPIPE even with `maxNetworkRetries: 0`; stripe 23.1.0, RequestSender `_shouldRetry`).
 */
export class SingleSendClient implements StripeHttpClient {
  readonly #transport: Transport
  readonly #open = new Map<string, OpenPermit>()
  #issued = 0

  constructor(transport: Transport) {
    this.#transport = transport
  }

  getClientName(): string {
    return this.#transport.name
  }

  /** Opens the right to send one request, until `end` or the deadline. */
  open(until: { readonly signal: AbortSignal; remainingMs(): number }): Sending {
    const name = (++this.#issued).toString(36)
    let written = false
    const markWritten = (): void => {
      written = true
    }
    const permit: Permit = { signal: until.signal, remainingMs: () => until.remainingMs(), markWritten }
    this.#open.set(name, { permit, used: false })
    const remainingMs = until.remainingMs()
    return {
      options: {
        maxNetworkRetries: 0,
        headers: { [PERMIT_HEADER]: name },
        // The signal ends the request at the deadline; this is for a signal that does not come.
        ...(Number.isFinite(remainingMs) ? { timeout: Math.ceil(remainingMs) + SIGNAL_GRACE_MS } : {}),
      },
      get written() {
        return written
      },
      end: () => void this.#open.delete(name),
    }
  }

  async makeRequest(
    host: string,
    port: string,
    path: string,
    method: string,
    headers: StripeRequestHeaders,
    requestData: string,
    protocol: string,
    timeout: number,
  ): Promise<StripeHttpResponse> {
    const { [PERMIT_HEADER]: name, ...rest } = headers
    if (name === undefined) throw new SendFailed('A request without a permit was refused: nothing was sent.', false)
    const open = this.#open.get(String(name))
    if (open === undefined) throw new SendFailed('The time to send was over: nothing was sent.', false)
    // `written` is of this send, not of the first: but whoever asks looks at the permit, which knows of both.
    if (open.used) throw new SendFailed('A second send of the same call was refused.', true)
    open.used = true
    return this.#transport.send(
      { host, port, path, method, headers: rest, body: requestData, protocol, timeoutMs: timeout },
      open.permit,
    )
  }
}
