import type { CompletedOption, Place, Word } from './tree.js'

/** A completion script for each shell. The script follows the words before the cursor to a place. */
export const completionScripts: Readonly<
  Record<'bash' | 'zsh' | 'fish', (places: readonly Place[]) => string>
> = {
  bash: (places) => `# bash completion for secure-chat
_secure_chat() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} place='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${place:+$place }\${COMP_WORDS[i]}" in
      ${pattern(places)}) place="\${place:+$place }\${COMP_WORDS[i]}" ;;
    esac
  done
  case $prev in
${prevCases(places, 'compopt -o filenames 2> /dev/null; local IFS=$\'\\n\'; COMPREPLY=($(compgen -f -- "$cur"))')}
  esac
  case $place in
${places.map(({ path, words, options }) => `    ${quoted(path)}) words=${quoted(names([...words, ...options]))} ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _secure_chat secure-chat
`,

  // In zsh the variable `path` is the search path, so the script must not use it.
  zsh: (places) => `#compdef secure-chat
_secure_chat() {
  local place='' word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${place:+$place }$word" in
      ${pattern(places)}) place="\${place:+$place }$word" ;;
    esac
  done
  case \${words[CURRENT-1]} in
${prevCases(places, '_files')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    case $place in
${places.map(({ path, options }) => `      ${quoted(path)}) entries=(${described(options)}) ;;`).join('\n')}
    esac
    _describe -o option entries
  else
    case $place in
${places.map(({ path, words }) => `      ${quoted(path)}) entries=(${described(words)}) ;;`).join('\n')}
    esac
    _describe command entries
  fi
}
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then _secure_chat "$@"; else compdef _secure_chat secure-chat; fi
`,

  fish: (places) => `# fish completion for secure-chat
function __secure_chat_at
  set -l place
  for word in (commandline -opc)[2..]
    switch (string join ' ' -- $place $word)
      case ${places.flatMap(({ path }) => (path === '' ? [] : [fishQuoted(path)])).join(' ')}
        set -a place $word
    end
  end
  test "$place" = "$argv[1]"
end
complete -c secure-chat -f
${places.flatMap(fishLines).join('\n')}
`
}

/** All places but the first, as a pattern of `case`. */
function pattern(places: readonly Place[]): string {
  return places.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join('|')
}

/** After an option with a value, the script completes files or nothing. */
function prevCases(places: readonly Place[], files: string): string {
  const options = places.flatMap((place) => place.options)
  const after = (value: CompletedOption['value']) =>
    [...new Set(options.filter((option) => option.value === value).map(({ name }) => name))].join('|')
  return [
    [after('file'), `${files}; return`],
    [after('other'), 'return']
  ]
    .flatMap(([names, then]) => (names === '' ? [] : [`    ${names}) ${then} ;;`]))
    .join('\n')
}

function fishLines({ path, words, options }: Place): string[] {
  const at = `complete -c secure-chat -n ${fishQuoted(`__secure_chat_at ${fishQuoted(path)}`)}`
  const value = { none: '', file: ' -r -F', other: ' -x' }
  return [
    ...words.map(({ name, description }) => `${at} -a ${fishQuoted(name)} -d ${fishQuoted(description)}`),
    ...options.map((option) => {
      const spelling = option.name.startsWith('--')
        ? `-l ${option.name.slice(2)}`
        : `-s ${option.name.slice(1)}`
      return `${at} ${spelling}${value[option.value]} -d ${fishQuoted(option.description)}`
    })
  ]
}

function names(words: readonly Word[]): string {
  return words.map(({ name }) => name).join(' ')
}

/** `_describe` takes `name:description`. */
function described(words: readonly Word[]): string {
  return words
    .map(({ name, description }) => quoted(`${name.replaceAll(':', '\\:')}:${description}`))
    .join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
