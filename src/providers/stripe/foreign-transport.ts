import {
  type OutgoingRequest,
  type Permit,
  SendFailed,
  type StripeHttpClient,
  type StripeHttpResponse,
  type Transport,
} from './http.js'

/**
 * Sends by an `httpClient` that the user gave to the SDK (`fetch`, or one of their own). What it does inside cannot be
 * seen, so that everything after its start counts as written. At the deadline its answer is no longer waited for; the
 * `timeout` that it is given ends no later, and ending the request by then is its duty.
 */
export class ForeignTransport implements Transport {
  readonly name: string
  readonly #client: StripeHttpClient

  constructor(client: StripeHttpClient) {
    this.#client = client
    this.name = client.getClientName()
  }

  async send(request: OutgoingRequest, permit: Permit): Promise<StripeHttpResponse> {
    const { host, port, path, method, headers, body, protocol } = request
    const timeoutMs = Math.min(request.timeoutMs, Math.floor(permit.remainingMs()))
    if (permit.signal.aborted || timeoutMs < 1)
      throw new SendFailed('The time to send was over: nothing was sent.', false)
    permit.markWritten()
    try {
      return await this.#client.makeRequest(host, port, path, method, headers, body, protocol, timeoutMs)
    } catch (cause) {
      throw new SendFailed('The request failed: it may have been executed.', true, { cause })
    }
  }
}
