/** What each shell runs to ask lb4 what may come next; complete.ts answers. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# lb4 completion for bash.  Now: source <(lb4 completion bash)
# For good: lb4 completion bash > ~/.local/share/bash-completion/completions/lb4
_lb4() {
  # COMP_WORDS is broken at ":" and "=", which addresses are full of: take the line itself apart.
  local line=\${COMP_LINE:0:COMP_POINT} words found current
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=\${words[\${#words[@]} - 1]}
  COMPREPLY=()
  while IFS= read -r found; do
    if [[ $found == :files ]]; then
      compopt -o default
      return
    fi
    # Only what stands behind the last break ($2) is replaced.
    COMPREPLY+=("\${found#"\${current%"$2"}"}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _lb4 lb4
`,
  zsh: `#compdef lb4
# lb4 completion for zsh.  Now: source <(lb4 completion zsh)
# For good: lb4 completion zsh > _lb4, in a folder of $fpath
_lb4() {
  local -a before=("\${(@Q)words[1,CURRENT-1]}") found
  found=("\${(@f)$("$before[1]" __complete "\${(@)before[2,-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $found[1] == :files ]]; then
    _files
  elif [[ -n $found[1] ]]; then
    compadd -- $found
  fi
}
if [[ $funcstack[1] == _lb4 ]]; then
  _lb4
else
  compdef _lb4 lb4
fi
`,
};
