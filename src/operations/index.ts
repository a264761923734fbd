export type { ByPerson, Unchanged } from './parked.js'
export { type ResolvedByHand, resolveByHand, type SeenByHand } from './resolve-by-hand.js'
export { type ResumeBy, type Resumed, resume } from './resume.js'
