// Refuses the words and turns of phrase that make prose hard to read: in documents, comments, test titles and the texts
// of the product. `npm run lint` calls it. `node tools/prose.mjs FILE…` checks some files only.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import ts from 'typescript'

/** The place where a sentence begins: the start of a text, or after the end of another sentence. */
const START = String.raw`(?:^|(?<=[.!?:][)"”’*\`]*\s+)|(?<=\n\s*\n\s*))`

/** Each pattern sees one text: a comment, a string, a paragraph. */
const RULES = [
  {
    pattern: new RegExp(`${START}(What|Who|Whoever)\\b[^.?!]*`, 'g'),
    // A question, or a phrase that stands for a noun: "What a client must do".
    isFine: ({ 0: sentence, 1: word, index }, { text, isPhrase }) =>
      text[index + sentence.length] === '?' || (isPhrase && index === 0 && word !== 'Whoever'),
    instead: 'name the subject: "A client that …", "Users who …", "Data that …"'
  },
  { pattern: new RegExp(`${START}Of (?!course)`, 'g'), instead: 'begin with the subject' },
  { pattern: /\banew\b/gi, instead: '"again", or the verb: "make a new …", "reset"' },
  { pattern: /\bso many\b(?! that)/gi, instead: '"as many", or the number' },
  { pattern: /\btold of\b/gi, instead: '"notified of", "told about"' },
  {
    pattern: /(?<!\b(?:left|leaves?|let|stands?)\s+(?:\w+\s+)?)\balone(?=[.,;:)])/gi,
    instead: '"only", before the noun'
  },
  { pattern: /\b(?:he|his|him|himself)\b/gi, instead: '"they", "their", or "the user"' },
  { pattern: /\b(?:the house|roof|bells?|stories|storeys?)\b/gi, instead: 'the thing itself: "notifier"' }
]

/** Words of others, files that are generated from texts that are checked, and this list of words. */
const SKIPPED =
  /^(?:test\/vectors\/wycheproof\/|docs\/(?:problems|benchmarks|faults)\.md$|tools\/prose\.mjs$)/

const CHECKED = [
  '*.md',
  '*.ts',
  '*.mjs',
  '*.js',
  '*.sh',
  '*.yaml',
  '.env.example',
  '.taprc',
  '.ci/run',
  'Dockerfile'
]

/** A text that people read: where it begins in its file, and whether it may be a phrase instead of a sentence. */
function textsOf(path, source) {
  if (path.endsWith('.md')) return textsOfMarkdown(source)
  if (/\.(?:ts|mjs|js)$/.test(path)) return [...commentsOf(path, source), ...stringsOf(path, source)]
  return [...source.matchAll(/^[ \t]*#(?!!).*(?:\n[ \t]*#.*)*/gm)].map(({ 0: comment, index }) => ({
    at: index,
    text: comment.replace(/^[ \t]*#+/gm, blank),
    isPhrase: false
  }))
}

/** Paragraphs, list items and cells, without code, headings and addresses. */
function textsOfMarkdown(source) {
  const prose = source
    .replace(/^```.*?^```/gms, blank)
    .replace(/^#.*$/gm, blank)
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[^`]/g, 'x'))
    .replace(/\]\([^)]*\)/g, blank)
  return [...prose.matchAll(/[^\n|]+(?:\n(?!\s*(?:[-*|\n]|\d+\. ))[^\n|]+)*/g)].map(({ 0: text, index }) => ({
    at: index,
    text: text.replace(/^\s*(?:[-*]|\d+\.)\s/, blank),
    isPhrase: prose[index - 1] === '|' || /^\s*[-*]\s/.test(text)
  }))
}

/** Comments; those of consecutive lines are one text. */
function commentsOf(path, source) {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true)
  const ends = new Map()
  const visit = (node) => {
    const leading = ts.getLeadingCommentRanges(source, node.pos) ?? []
    const trailing = ts.getTrailingCommentRanges(source, node.end) ?? []
    for (const { pos, end } of [...leading, ...trailing]) ends.set(pos, end)
    for (const child of node.getChildren(file)) visit(child)
  }
  visit(file)
  const texts = []
  let lastEnd = -1
  for (const [at, end] of [...ends].sort(([a], [b]) => a - b)) {
    const text = source.slice(at, end).replace(/^\/\*\*?|\*\/$|^\s*\* ?|^\s*\/\//gm, blank)
    const between = source.slice(lastEnd, at)
    if (lastEnd >= 0 && source.startsWith('//', at) && between.trim() === '')
      texts.at(-1).text += between + text
    else texts.push({ at, text, isPhrase: source.startsWith('/**', at) })
    lastEnd = end
  }
  return texts
}

/** Strings of the product, which people may get to read, and titles of tests. */
function stringsOf(path, source) {
  const texts = []
  const visit = (node) => {
    const isText =
      ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)
    if (isText && (path.startsWith('src/') || isTitle(node)))
      texts.push({ at: node.getStart() + 1, text: node.text, isPhrase: !isTitle(node) })
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true))
  return texts
}

function isTitle({ parent }) {
  return ts.isCallExpression(parent) && /^(?:\w+\.)?test$/.test(parent.expression.getText())
}

function blank(text) {
  return text.replace(/[^\n]/g, ' ')
}

/** Faults of a file, one line each. */
function faultsOf(path) {
  const source = readFileSync(path, 'utf8')
  return textsOf(path, source).flatMap(({ at, text, isPhrase }) => {
    const trimmed = text.trimStart()
    const offset = at + text.length - trimmed.length
    return RULES.flatMap(({ pattern, isFine, instead }) =>
      [...trimmed.matchAll(pattern)]
        .filter((match) => isFine?.(match, { text: trimmed, isPhrase }) !== true)
        .map((match) => {
          const line = source.slice(0, offset + match.index).split('\n').length
          return `${path}:${line}: ${JSON.stringify(match[0].slice(0, 50))}: ${instead}`
        })
    )
  })
}

function trackedFiles() {
  const list = execFileSync('git', ['ls-files', '--', ...CHECKED], { encoding: 'utf8' })
  return list.split('\n').filter((path) => path !== '' && !SKIPPED.test(path))
}

const given = process.argv.slice(2)
const faults = (given.length > 0 ? given : trackedFiles()).flatMap(faultsOf)
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1
