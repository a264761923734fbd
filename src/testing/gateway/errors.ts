/** The `error` member of a failed response, as Stripe's API documents it (https://docs.stripe.com/api/errors). */
export interface ErrorBody {
  type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'
  message: string
  code?: string
  decline_code?: string
  param?: string
  charge?: string
  doc_url?: string
  payment_intent?: object
}

/** A failure that the gateway answers with. Its `status` and `body` are what goes over the wire. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly body: ErrorBody
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: ErrorBody, headers: Readonly<Record<string, string>> = {}) {
    super(body.message)
    this.status = status
    this.body =
      body.code === undefined
        ? body
        : { ...body, doc_url: `https://stripe.com/docs/error-codes/${body.code.replaceAll('_', '-')}` }
    this.headers = headers
  }
}

/** 400: the request is malformed or cannot be carried out in the present state. */
export function invalidRequest(message: string, details: { code?: string; param?: string } = {}): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', message, ...details })
}

/** 400: a required parameter is absent. */
export function missingParameter(name: string): ApiError {
  return invalidRequest(`Missing required param: ${name}.`, { code: 'parameter_missing', param: name })
}

/** An object named by the caller does not exist: 404 for the object in the path, 400 for one in a parameter. */
export function noSuchObject(kind: string, id: string, param: string, status: 400 | 404 = 404): ApiError {
  return new ApiError(status, {
    type: 'invalid_request_error',
    message: `No such ${kind}: '${id}'`,
    code: 'resource_missing',
    param,
  })
}

/** 500, as a service answers when it fails inside. It says nothing about whether the operation took effect. */
export function internalError(): ApiError {
  return new ApiError(
    500,
    { type: 'api_error', message: 'An unknown error occurred.' },
    { 'stripe-should-retry': 'false' },
  )
}

/** 503 of something in front of the service: nothing was executed. */
export function unavailable(): ApiError {
  return new ApiError(503, { type: 'api_error', message: 'The service is temporarily unavailable.' })
}

/** 429 with `Retry-After`: nothing was executed. */
export function rateLimited(retryAfterSeconds: number): ApiError {
  return new ApiError(
    429,
    { type: 'invalid_request_error', message: 'Request rate limit exceeded.', code: 'rate_limit' },
    { 'retry-after': String(retryAfterSeconds) },
  )
}
