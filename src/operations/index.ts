export { type EffectAddress, type EffectEntry, nameOf, readEntry } from './entry.js'
export { listParked, type ParkedEffect, type ParkedOptions } from './parked.js'
export { type ResumeBy, type Resumed, resume } from './resume.js'
