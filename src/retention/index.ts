export { type Retention, type RetentionOptions, retentionOf } from './options.js'
export { type Aged, walk } from './walk.js'
