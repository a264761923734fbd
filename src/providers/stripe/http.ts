/** What the SDK expects of its `httpClient` (a public option of its constructor), as far as this folder uses it. */
export interface StripeHttpClient {
  getClientName(): string
  makeRequest(
    host: string,
    port: string,
    path: string,
    method: string,
    headers: StripeRequestHeaders,
    requestData: string,
    protocol: string,
    timeout: number,
  ): Promise<StripeHttpResponse>
}

export type StripeRequestHeaders = Record<string, string | number | string[]>

/** What the SDK expects of a response. */
export interface StripeHttpResponse {
  getStatusCode(): number
  getHeaders(): Record<string, string>
  getRawResponse(): unknown
  toStream(streamCompleteCallback: () => void): unknown
  toJSON(): Promise<object>
  dispose?(): void
}

/** One request as the SDK hands it down. */
export interface OutgoingRequest {
  readonly host: string
  readonly port: string
  readonly path: string
  readonly method: string
  readonly headers: StripeRequestHeaders
  readonly body: string
  readonly protocol: string
  /** The SDK's `timeout`: how long the connection may be silent. */
  readonly timeoutMs: number
}

/** The right to send one request until a deadline, and whether it has been used. */
export interface Permit {
  readonly signal: AbortSignal
  /** 0 once nothing may be sent any more. */
  remainingMs(): number
  /** The transport calls it immediately before the first byte is written. From then on it may have happened. */
  markWritten(): void
}

/** How requests get to the service: by Node's own http and https, or by a client that the user brought. */
export interface Transport {
  readonly name: string
  /** Sends once, or rejects with {@link SendFailed}. */
  send(request: OutgoingRequest, permit: Permit): Promise<StripeHttpResponse>
}

/** Codes on which the SDK sends again whatever it was told (`HttpClient.CONNECTION_CLOSED_ERROR_CODES`). */
const CODES_THAT_THE_SDK_RESENDS = new Set(['ECONNRESET', 'EPIPE'])

/**
 * A request that did not come to a whole response. The `cause` is the failure as Node or the user's client reported it;
 * `code` is its code, except where the SDK would take that code for leave to send a second time.
 */
export class SendFailed extends Error {
  readonly code: string
  /** False: not one byte of the request was written, so that nothing can have been executed. */
  readonly written: boolean
  constructor(message: string, written: boolean, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SendFailed'
    this.written = written
    this.code = safeCode(options?.cause)
  }
}

function safeCode(cause: unknown): string {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
  if (typeof code !== 'string') return 'SEND_FAILED'
  return CODES_THAT_THE_SDK_RESENDS.has(code) ? 'CONNECTION_CLOSED' : code
}
