export { type ResumeBy, type Resumed, resume } from './resume.js'
