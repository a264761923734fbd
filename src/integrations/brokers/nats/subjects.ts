/** Whether a subject that is published to (without wildcards) is one of those that `filter` stands for. */
export function isOfFilter(subject: string, filter: string): boolean {
  const tokens = subject.split('.')
  const wanted = filter.split('.')
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i
    if (tokens[i] === undefined || (token !== '*' && token !== tokens[i])) return false
  }
  return tokens.length === wanted.length
}
