# 5 instructions are executed by one call (disabled; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_disabled>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x4,%al
	jbe    <kymo_call_disabled+0x23>
	mov    %rdx,%rcx
	mov    %rsi,%rdx
	mov    %rdi,%rsi
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared3>
	ret
