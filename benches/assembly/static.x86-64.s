# 25 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_static+0x1a>
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared0>
	ret

<kymo::export::shared0>:
	mov    $0xffffffffffffff18,%rax
	mov    %fs:(%rax),%rsi
	movabs $0x100000000000000,%rcx
	xadd   %rcx,(%rsi)
	lea    0x10(%rcx),%r8
	mov    0x28(%rsi),%rax
	cmp    %r8,%rax
	jae    <kymo::export::shared0+0x2e>
	mov    %rcx,%rdx
	jmp    <kymo::export::second0>
	rdtsc
	mov    %eax,0x8(%rcx)
	mov    %edx,0xc(%rcx)
	mov    %rdi,(%rcx)
	movw   $0x10,0x6(%rcx)
	mov    0x8(%rsi),%rax
	mov    0x10(%rsi),%rcx
	add    %r8,%rcx
	mov    %rcx,(%rax)
	mov    %r8,(%rsi)
	ret
