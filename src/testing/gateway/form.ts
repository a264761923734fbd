/** A decoded form: strings at the leaves, bracket nesting as objects (arrays are objects with index keys). */
export interface Form {
  [name: string]: string | Form
}

/** Nesting deeper than this is refused, as a guard against hostile bodies. */
const DEEPEST = 8

/**
 * Decodes `application/x-www-form-urlencoded` with bracket nesting, as Stripe's API and SDKs use it:
 * `metadata[order_id]=7&expand[0]=customer`. Objects have no prototype, so no name can reach one.
 *
 * @throws {URIError} when a percent sequence is malformed, or nesting is absurdly deep.
 */
export function decodeForm(encoded: string): Form {
  const form = emptyForm()
  let start = 0
  while (start < encoded.length) {
    let end = encoded.indexOf('&', start)
    if (end === -1) end = encoded.length
    if (end > start) decodePair(form, encoded.slice(start, end))
    start = end + 1
  }
  return form
}

/** The values of an array parameter (`expand[]=a`, `expand[0]=a`) in the order in which they came. */
export function arrayValues(value: string | Form | undefined): string[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [value]
  return Object.values(value).flatMap(arrayValues)
}

/** A text that is equal for two forms exactly when their parameters are equal, in whatever order they were written. */
export function canonicalForm(form: Form): string {
  const entries = Object.keys(form)
    .sort()
    .map((name) => {
      const value = form[name]
      return [name, typeof value === 'object' ? canonicalForm(value) : value]
    })
  return JSON.stringify(entries)
}

function emptyForm(): Form {
  return Object.create(null) as Form
}

function decodePair(form: Form, pair: string): void {
  const equals = pair.indexOf('=')
  const name = decode(equals === -1 ? pair : pair.slice(0, equals))
  const value = equals === -1 ? '' : decode(pair.slice(equals + 1))
  const bracket = name.indexOf('[')
  if (bracket <= 0 || !name.endsWith(']')) {
    form[name] = value
    return
  }
  assign(form, [name.slice(0, bracket), ...name.slice(bracket + 1, -1).split('][')], value)
}

function assign(form: Form, path: string[], value: string): void {
  if (path.length > DEEPEST) throw new URIError('The parameters are nested too deeply.')
  const last = path.length - 1
  let at = form
  for (let depth = 0; depth < last; depth += 1) at = nestedForm(at, stepName(at, path[depth]))
  at[stepName(at, path[last])] = value
}

function nestedForm(form: Form, name: string): Form {
  const inner = form[name]
  if (typeof inner === 'object') return inner
  const made = emptyForm()
  form[name] = made
  return made
}

/** `expand[]` appends: an empty step is the next free index. */
function stepName(form: Form, step = ''): string {
  return step === '' ? String(Object.keys(form).length) : step
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  return spaced.includes('%') ? decodeURIComponent(spaced) : spaced
}
