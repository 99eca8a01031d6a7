# 29 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_ints+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::export::shared3>
	ret

<kymo::export::shared3>:
	mov    $0xffffffffffffff20,%rax
	mov    %fs:(%rax),%r8
	mov    (%r8),%r10
	lea    0x28(%r10),%r9
	mov    0x28(%r8),%rax
	cmp    %r9,%rax
	jb     <kymo::export::second3>
	movq   $0xffffffffffff0008,(%r8)
	mov    %rdx,%r11
	rdtsc
	mov    %eax,0x8(%r10)
	mov    %edx,0xc(%r10)
	mov    %rcx,(%r10)
	movw   $0x28,0x6(%r10)
	mov    %rdi,0x10(%r10)
	mov    %rsi,0x18(%r10)
	mov    %r11,0x20(%r10)
	mov    0x8(%r8),%rax
	mov    0x10(%r8),%rcx
	add    %r9,%rcx
	mov    %rcx,(%rax)
	mov    %r9,(%r8)
	ret
